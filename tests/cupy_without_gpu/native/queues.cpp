#include "queues.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <vector>

namespace queues {
namespace {

struct Entry {
    long number;  // of all entries of all queues, in the order in which they were added
    Mark waits_for;
    Work work;
};

struct Queue {
    bool is_blocking = true;
    std::deque<Entry> entries;
};

// One lock for all: work is done by the thread that waits for it, and no two threads do any at the same time.
std::recursive_mutex lock;
using Guard = std::lock_guard<std::recursive_mutex>;

std::map<void*, Queue> all;
std::map<std::string, long> counts;
Order order = Order::at_once;
std::mt19937 chance;
long last_number = 0;
char names[1 << 20];  // a stream is known by an address
const char* const counts_folder = std::getenv("CUPY_WITHOUT_GPU_COUNTS");
long n_created = 0;

void* const legacy = nullptr;

// Handles 0 and 1 are the default stream; handle 2 is the default stream of this thread.
void* resolve(void* stream) {
    static thread_local void* own = nullptr;
    if (stream == reinterpret_cast<void*>(1)) return legacy;
    if (stream != reinterpret_cast<void*>(2)) return stream;
    if (!own) own = create(true);
    return own;
}

bool has_entry_before(const Queue& queue, long number) {
    return !queue.entries.empty() && queue.entries.front().number < number;
}

bool is_ready(void* stream, const Queue& queue, const Entry& entry) {
    if (entry.waits_for && !*entry.waits_for) return false;
    if (!queue.is_blocking) return true;
    if (stream != legacy) return !has_entry_before(all[legacy], entry.number);
    return std::none_of(all.begin(), all.end(), [&](const auto& other) {
        return other.first != legacy && other.second.is_blocking && has_entry_before(other.second, entry.number);
    });
}

bool do_first(void* stream) {
    Queue& queue = all[stream];
    if (queue.entries.empty() || !is_ready(stream, queue, queue.entries.front())) return false;
    Work work = std::move(queue.entries.front().work);
    if (work) work();
    queue.entries.pop_front();
    return true;
}

std::vector<void*> in_random_order() {
    std::vector<void*> streams;
    for (const auto& [stream, queue] : all)
        if (!queue.entries.empty()) streams.push_back(stream);
    std::shuffle(streams.begin(), streams.end(), chance);
    return streams;
}

void do_one_of_any() {
    for (void* stream : in_random_order())
        if (do_first(stream)) return;
    std::fprintf(stderr, "the streams wait for each other, or for an event that is never recorded\n");
    std::abort();
}

void after_adding(void* stream) {
    if (order == Order::at_once) finish(stream);
    if (order != Order::shuffled) return;
    for (void* other : in_random_order())
        for (unsigned n = chance() % 8; n < 4 && do_first(other); ++n) {
        }
}

}  // namespace

void set_order(Order new_order, unsigned seed) {
    Guard guard(lock);
    finish_all();
    order = new_order;
    chance.seed(seed);
}

void* create(bool is_blocking) {
    Guard guard(lock);
    void* stream = &names[++n_created % sizeof names];
    all[stream].is_blocking = is_blocking;
    return stream;
}

void destroy(void* stream) {
    Guard guard(lock);
    // CUDA does what is queued, and nobody waits for it
    if (all[stream].entries.empty()) all.erase(stream);
}

void add(void* stream, Work work) {
    Guard guard(lock);
    stream = resolve(stream);
    all[stream].entries.push_back({++last_number, nullptr, std::move(work)});
    after_adding(stream);
}

Mark record(void* stream) {
    Mark mark = std::make_shared<bool>(false);
    add(stream, [mark] { *mark = true; });
    return mark;
}

void wait(void* stream, Mark mark) {
    Guard guard(lock);
    stream = resolve(stream);
    all[stream].entries.push_back({++last_number, std::move(mark), nullptr});
    after_adding(stream);
}

bool is_idle(void* stream) {
    Guard guard(lock);
    return all[resolve(stream)].entries.empty();
}

void finish(void* stream) {
    Guard guard(lock);
    stream = resolve(stream);
    while (!all[stream].entries.empty())
        if (!do_first(stream)) do_one_of_any();
}

void finish(Mark mark) {
    Guard guard(lock);
    while (!*mark) do_one_of_any();
}

void finish_all() {
    Guard guard(lock);
    while (!in_random_order().empty()) do_one_of_any();
}

std::string all_counts() {
    Guard guard(lock);
    std::string text;
    for (const auto& [what, number] : counts) text += what + " " + std::to_string(number) + "\n";
    return text;
}

void write_counts() {
    const std::string path = std::string(counts_folder) + "/" + std::to_string(getpid()), part = path + ".part";
    std::ofstream(part) << all_counts();
    std::rename(part.c_str(), path.c_str());
}

void count(const std::string& what, long number) {
    Guard guard(lock);
    counts[what] += number;
    // At each wait: a process of a batch is killed when it has done its work, and its last step is to wait for the sums.
    if (counts_folder && what.rfind("waits", 0) == 0) write_counts();
}

}  // namespace queues

// --- for tests

extern "C" void host_set_order(int order, unsigned seed) { queues::set_order(static_cast<queues::Order>(order), seed); }

extern "C" void host_reset_counts() {
    queues::Guard guard(queues::lock);
    queues::counts.clear();
}

// All counts since the last reset, as text: a name and a number in each line.
extern "C" const char* host_counts() {
    static std::string text;
    text = queues::all_counts();
    return text.c_str();
}
