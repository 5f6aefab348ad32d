/* The only C++ of the project: nothing else can catch what oneDNN throws. */
#include "ops/cpu/onednn_guard.h"

#include <atomic>
#include <cstdlib>
#include <pthread.h>
#include <sys/mman.h>

namespace
{

/* For what a call allocates in small pieces: descriptions, caches, tables of arguments. */
constexpr size_t SPARE = 256 << 10;

/* For what it compiles: each kernel takes 256 KiB that oneDNN does not check for. A product has up to 32 of them (first
 * or not, with and without what is left of rows, columns and depth, and a bias) and a few that copy; the first product
 * of a process compiles smaller ones that all share. */
constexpr size_t CODE = 10 << 20;

/* Calls that hold no memory any more and have not returned: what is free must do for all of them. */
std::atomic<size_t> calls{0};

struct Call {
    Call()
    {
        calls.fetch_add(1);
    }
    ~Call()
    {
        calls.fetch_sub(1);
    }
};

/* Whether the heap of this thread has so much, then free at its hand. */
bool has_spare()
{
    void *volatile const block = std::malloc(SPARE); /* volatile: else the pair of calls is optimized away */
    std::free(block);
    return block != nullptr;
}

/* Whether so much can be mapped: untouched it costs no memory, and only the system's bookkeeping. */
bool has_code()
{
    const size_t bytes = CODE * calls.load();
    void *const block =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return block != MAP_FAILED && munmap(block, bytes) == 0;
}

/* oneDNN throws nothing of its own: what comes is the standard library's, which lacks memory, or found what an earlier
 * call that lacked it left behind. */
template <typename Function> dnnl_status_t catch_all(Function function) noexcept
{
    try {
        return function();
    } catch (...) {
        return dnnl_out_of_memory;
    }
}

template <typename Function> dnnl_status_t with_spare(Function function) noexcept
{
    return has_spare() ? catch_all(function) : dnnl_out_of_memory;
}

template <typename Function> dnnl_status_t with_code(Function function) noexcept
{
    const Call call;
    return has_spare() && has_code() ? catch_all(function) : dnnl_out_of_memory;
}

/* ---- threads ---- */

thread_local int started = 1; /* threads of the team that OpenMP keeps for this one */

struct Gate {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t opens = PTHREAD_COND_INITIALIZER;
    bool open = false;
};

void *wait_at_gate(void *argument)
{
    Gate *const gate = static_cast<Gate *>(argument);
    pthread_mutex_lock(&gate->mutex);
    while (!gate->open)
        pthread_cond_wait(&gate->opens, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return nullptr;
}

/* Whether `count` more threads can be there at once. They are started and ended; the C library keeps their stacks for
 * those that follow. */
bool can_start(int count)
{
    Gate gate;
    pthread_t *const threads = static_cast<pthread_t *>(std::calloc(static_cast<size_t>(count), sizeof(pthread_t)));
    int there = 0;
    while (threads != nullptr && there < count && pthread_create(&threads[there], nullptr, wait_at_gate, &gate) == 0)
        there++;
    pthread_mutex_lock(&gate.mutex);
    gate.open = true;
    pthread_cond_broadcast(&gate.opens);
    pthread_mutex_unlock(&gate.mutex);
    for (int i = 0; i < there; i++)
        pthread_join(threads[i], nullptr);
    std::free(threads);
    return there == count;
}

} // namespace

dnnl_status_t guarded_threads_start(int threads)
{
    if (threads <= started)
        return dnnl_success;
    if (!has_spare() || !can_start(threads - 1))
        return dnnl_out_of_memory;
    std::atomic<int> met{0};
#pragma omp parallel num_threads(threads)
    met.fetch_add(1);
    started = threads;
    return dnnl_success;
}

/* ---- calls ---- */

dnnl_status_t guarded_set_max_cpu_isa(dnnl_cpu_isa_t isa)
{
    return with_spare([=] { return dnnl_set_max_cpu_isa(isa); });
}

dnnl_status_t guarded_engine_create(dnnl_engine_t *engine, dnnl_engine_kind_t kind, size_t index)
{
    return with_spare([=] { return dnnl_engine_create(engine, kind, index); });
}

dnnl_status_t guarded_post_ops_create(dnnl_post_ops_t *ops)
{
    return with_spare([=] { return dnnl_post_ops_create(ops); });
}

dnnl_status_t guarded_post_ops_append_eltwise(dnnl_post_ops_t ops, float scale, dnnl_alg_kind_t kind, float alpha,
                                              float beta)
{
    return with_spare([=] { return dnnl_post_ops_append_eltwise(ops, scale, kind, alpha, beta); });
}

dnnl_status_t guarded_post_ops_append_sum(dnnl_post_ops_t ops, float scale)
{
    return with_spare([=] { return dnnl_post_ops_append_sum(ops, scale); });
}

dnnl_status_t guarded_attr_create(dnnl_primitive_attr_t *attributes)
{
    return with_spare([=] { return dnnl_primitive_attr_create(attributes); });
}

dnnl_status_t guarded_attr_set_post_ops(dnnl_primitive_attr_t attributes, const_dnnl_post_ops_t ops)
{
    return with_spare([=] { return dnnl_primitive_attr_set_post_ops(attributes, ops); });
}

dnnl_status_t guarded_primitive_desc_create(dnnl_primitive_desc_t *described, const_dnnl_op_desc_t operation,
                                            const_dnnl_primitive_attr_t attributes, dnnl_engine_t engine)
{
    return with_spare([=] { return dnnl_primitive_desc_create(described, operation, attributes, engine, nullptr); });
}

dnnl_status_t guarded_reorder_desc_create(dnnl_primitive_desc_t *described, const dnnl_memory_desc_t *from,
                                          const dnnl_memory_desc_t *to, dnnl_engine_t engine)
{
    return with_spare([=] { return dnnl_reorder_primitive_desc_create(described, from, engine, to, engine, nullptr); });
}

dnnl_status_t guarded_primitive_create(dnnl_primitive_t *primitive, const_dnnl_primitive_desc_t described)
{
    return with_code([=] { return dnnl_primitive_create(primitive, described); });
}

dnnl_status_t guarded_memory_create(dnnl_memory_t *memory, const dnnl_memory_desc_t *desc, dnnl_engine_t engine,
                                    void *data)
{
    return with_spare([=] { return dnnl_memory_create(memory, desc, engine, data); });
}

dnnl_status_t guarded_stream_create(dnnl_stream_t *stream, dnnl_engine_t engine)
{
    return with_spare([=] { return dnnl_stream_create(stream, engine, dnnl_stream_default_flags); });
}

dnnl_status_t guarded_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                        const dnnl_exec_arg_t *arguments, bool first)
{
    const auto run = [=] {
        const dnnl_status_t status = dnnl_primitive_execute(primitive, stream, count, arguments);
        return status != dnnl_success ? status : dnnl_stream_wait(stream);
    };
    return first ? with_code(run) : with_spare(run);
}
