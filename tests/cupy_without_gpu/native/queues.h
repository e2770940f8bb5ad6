// Streams and events of CUDA as queues of work on the host.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace queues {

using Work = std::function<void()>;
using Mark = std::shared_ptr<bool>;  // whether the work before one record of an event is done

// When queued work is done: `at_once`; `late`, only when the host waits for it; `shuffled`, also now and then before
// that, on queues drawn by chance. All three keep the order that CUDA promises, and no other.
enum class Order { at_once, late, shuffled };

void set_order(Order order, unsigned seed);

void* create(bool is_blocking);  // a blocking stream waits for the default stream, and the default stream for it
void destroy(void* stream);

void add(void* stream, Work work);
Mark record(void* stream);
void wait(void* stream, Mark mark);

bool is_idle(void* stream);
void finish(void* stream);
void finish(Mark mark);
void finish_all();

void count(const std::string& what, long number = 1);

}  // namespace queues
