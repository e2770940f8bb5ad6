"""The style of what notebooks show.

Colours are those of the page: text inherits its colour, and lines and stripes are transparent grey, so that the same
HTML is readable in light and dark notebooks and on pages of documentation. The last rules, and the class ``dark-light``
of images, keep the PyData theme of Sphinx from putting a bright background behind HTML and images in its dark mode.
"""

__all__ = ["STYLE"]

# The names of three classes make these rules stronger than those that notebooks and Sphinx have for tables.
STYLE = """<style>
.lightpool-repr{font-size:13px;line-height:1.4;max-width:760px;margin:.3em 0;color:inherit;text-align:left}
.lightpool-repr .lp-head{padding:.25em 0;border-bottom:1px solid rgba(128,128,128,.5);margin-bottom:.2em}
.lightpool-repr .lp-title{font-weight:600}
.lightpool-repr .lp-name{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.95em;overflow-wrap:anywhere}
.lightpool-repr .lp-note{opacity:.75;font-weight:400;overflow-wrap:anywhere}
.lightpool-repr details{margin:0;padding:0;border:0;background:none;box-shadow:none}
.lightpool-repr summary{cursor:pointer;padding:.15em 0;font-weight:500;background:none;border:0;color:inherit}
.lightpool-repr summary:focus-visible{outline:2px solid currentColor;outline-offset:1px}
.lightpool-repr .lp-line{padding:.15em 0}
.lightpool-repr .lp-content{padding:.1em 0 .5em 1.1em;overflow-x:auto}
.lightpool-repr .lp-content table{border-collapse:collapse;border:0;margin:0;font-size:1em;width:auto;min-width:0;
display:table;color:inherit;background:none;table-layout:auto}
.lightpool-repr .lp-content table tr,.lightpool-repr .lp-content table tbody tr:nth-child(n){background:none;border:0}
.lightpool-repr .lp-content table.lp-grid tbody tr:nth-child(even){background:rgba(128,128,128,.1)}
.lightpool-repr .lp-content table tbody tr:nth-child(n):hover{background:rgba(128,128,128,.2)}
.lightpool-repr .lp-content table th,.lightpool-repr .lp-content table td{border:0;padding:.1em 1em .1em 0;
text-align:left;vertical-align:top;color:inherit;background:none;white-space:normal;max-width:36em}
.lightpool-repr .lp-content table th{font-weight:400;opacity:.75;white-space:nowrap}
.lightpool-repr .lp-content table.lp-grid thead th{border-bottom:1px solid rgba(128,128,128,.5)}
.lightpool-repr .lp-content table td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.lightpool-repr .lp-content table.lp-grid td{white-space:nowrap}
.lightpool-repr .lp-content table.lp-grid td.lp-long{white-space:normal;min-width:12em}
.lightpool-repr pre{margin:0;padding:0;border:0;background:none;color:inherit;font-size:.95em;line-height:1.35;
overflow-x:auto;white-space:pre}
.lightpool-repr img.lp-plot{display:inline-block;max-width:100%;height:auto;margin:.2em 0;padding:0!important;
background:none!important;filter:none!important}
html[data-theme=dark] .text_html:has(>.lightpool-repr){background:none!important;color:inherit!important;
padding:0!important}
</style>"""
