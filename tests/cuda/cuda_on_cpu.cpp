// See cuda_on_cpu.h.
#include "cuda_on_cpu.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBERS_FOR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS_FOR_ASAN 1
#endif
#endif
#ifdef FIBERS_FOR_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_on_cpu
{

thread_local block_state *block;
thread_local fiber *now;
int order;

namespace
{

constexpr size_t STACK_BYTES = (64 << 10) + 64 * 9; // stacks begin at different cache sets
struct owned_block : block_state {
    ~owned_block()
    {
        for (fiber &f : fibers)
            free(f.stack);
    }
};
thread_local owned_block own_block;
thread_local long switches;

#if defined(__x86_64__)
extern "C" void cuda_on_cpu_jump(void **from, void *to);
asm(".text\n.globl cuda_on_cpu_jump\n.hidden cuda_on_cpu_jump\n.type cuda_on_cpu_jump, @function\ncuda_on_cpu_jump:\n"
    " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,(%rdi)\n mov %rsi,%rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n");
void jump(void **from, void *to)
{
    switches++;
    cuda_on_cpu_jump(from, to);
}
void prepare(fiber &f, void (*body)())
{
    void **const top = (void **)(f.stack + STACK_BYTES) - 2;
    top[0] = (void *)body;
    top[1] = nullptr;
    f.stack_pointer = top - 6;
}
#else
#include <ucontext.h>
void jump(void **from, void *to)
{
    switches++;
    swapcontext((ucontext_t *)*from, (ucontext_t *)to);
}
void prepare(fiber &f, void (*body)())
{
    if (!f.stack_pointer)
        f.stack_pointer = new ucontext_t;
    ucontext_t *const context = (ucontext_t *)f.stack_pointer;
    getcontext(context);
    context->uc_stack.ss_sp = f.stack;
    context->uc_stack.ss_size = STACK_BYTES;
    context->uc_link = nullptr;
    makecontext(context, body, 0);
}
thread_local ucontext_t scheduler_context;
#endif

#ifdef FIBERS_FOR_ASAN
constexpr size_t LAST_FRAMES = 8 << 10; // of body() and leave_block()
thread_local const void *thread_stack;
thread_local size_t thread_stack_bytes;
#endif

void enter(fiber &f)
{
    now = &f;
#ifdef FIBERS_FOR_ASAN
    void *fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, f.stack, STACK_BYTES);
#endif
    jump(&block->scheduler, f.stack_pointer);
#ifdef FIBERS_FOR_ASAN
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void release_if_all_wait(barrier &b, int live)
{
    if (live > 0 && b.arrived == live) {
        b.arrived = 0;
        b.generation++;
    }
}

void body()
{
#ifdef FIBERS_FOR_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &thread_stack, &thread_stack_bytes);
#endif
    block->kernel(block->arguments);
    warp &w = own_warp();
    now->done = true;
    release_if_all_wait(block->b, --block->live);
    release_if_all_wait(w.b, --w.live);
    leave_block();
}

// Lets each fiber of a warp run on until all of them wait for the block or are done. Returns how many ended.
int run_warp(int first, int count)
{
    int ended = 0;
    for (long seen = -1; seen != switches;) {
        seen = switches;
        for (int j = 0; j < count; j++) {
            fiber &f = block->fibers[first + (order ? count - 1 - j : j)];
            if (f.done || (f.waits && f.waits->generation == f.generation))
                continue;
            f.waits = nullptr;
            enter(f);
            ended += f.done;
        }
    }
    return ended;
}

void run_block()
{
    block_state &s = *block;
    const int count = s.size.x * s.size.y * s.size.z, warps = (count + 31) / 32;
    while ((int)s.fibers.size() < count)
        s.fibers.push_back({nullptr, (char *)aligned_alloc(64, STACK_BYTES), {}, 0, 0, false, nullptr, 0, {}, 0});
    s.warps.resize(warps);
    s.live = count;
    s.b = {};
    for (int i = 0; i < warps; i++) {
        s.warps[i].b = {};
        s.warps[i].live = std::min(32, count - 32 * i);
    }
    for (int i = 0; i < count; i++) {
        fiber &f = s.fibers[i];
        f.thread = {i % s.size.x, i / s.size.x % s.size.y, i / (s.size.x * s.size.y)};
        f.lane = i % 32;
        f.warp = i / 32;
        f.done = false;
        f.waits = nullptr;
        f.copies.clear();
        f.groups = 0;
#ifdef FIBERS_FOR_ASAN
        __asan_unpoison_memory_region(f.stack + STACK_BYTES - LAST_FRAMES, LAST_FRAMES); // they never returned
#endif
        prepare(f, body);
    }
    for (int left = count; left > 0;) {
        const int before = left;
        const long jumps = switches;
        for (int i = 0; i < warps; i++) {
            const int w = order ? warps - 1 - i : i;
            left -= run_warp(32 * w, std::min(32, count - 32 * w));
        }
        if (left == before && switches == jumps) {
            fprintf(stderr, "cuda on cpu: threads of a block wait at different barriers\n");
            abort();
        }
    }
}

} // namespace

void leave_block()
{
#ifdef FIBERS_FOR_ASAN
    void *fake = nullptr;
    const bool ends = now->done;
    __sanitizer_start_switch_fiber(ends ? nullptr : &fake, thread_stack, thread_stack_bytes);
#endif
    jump(&now->stack_pointer, block->scheduler);
#ifdef FIBERS_FOR_ASAN
    __sanitizer_finish_switch_fiber(fake, &thread_stack, &thread_stack_bytes);
#endif
}

void launch(void (*kernel)(const void *), dim3 grid, dim3 size, size_t dynamic_bytes, const void *arguments)
{
    const int64_t blocks = (int64_t)grid.x * grid.y * grid.z;
    block = &own_block;
    block->grid = grid;
    block->size = size;
    block->kernel = kernel;
    block->arguments = arguments;
    block->dynamic = (char *)aligned_alloc(128, (dynamic_bytes + 128) & ~(size_t)127);
#if !defined(__x86_64__)
    block->scheduler = &scheduler_context;
#endif
    for (int64_t i = 0; i < blocks; i++) {
        block->index = {unsigned(i % grid.x), unsigned(i / grid.x % grid.y), unsigned(i / ((int64_t)grid.x * grid.y))};
        memset(block->dynamic, 0xff, dynamic_bytes); // NaN
        run_block();
    }
    free(block->dynamic);
}

} // namespace cuda_on_cpu
