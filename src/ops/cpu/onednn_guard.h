/* The calls of oneDNN that allocate, made so that a shortage of memory is a status. oneDNN throws through its C
 * functions, and where memory for the code that it compiles is refused it writes to address 0. So memory is asked for
 * before each call and given back just before it; what is thrown all the same is caught. */
#ifndef OPS_CPU_ONEDNN_GUARD_H
#define OPS_CPU_ONEDNN_GUARD_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts the threads that OpenMP runs `threads` of from the calling thread, where they are not there yet: OpenMP ends
 * the process where one cannot be started. dnnl_out_of_memory: they cannot. */
dnnl_status_t guarded_threads_start(int threads);

/* As those without "guarded_". */
dnnl_status_t guarded_set_max_cpu_isa(dnnl_cpu_isa_t isa);
dnnl_status_t guarded_engine_create(dnnl_engine_t *engine, dnnl_engine_kind_t kind, size_t index);
dnnl_status_t guarded_post_ops_create(dnnl_post_ops_t *ops);
dnnl_status_t guarded_post_ops_append_eltwise(dnnl_post_ops_t ops, float scale, dnnl_alg_kind_t kind, float alpha,
                                              float beta);
dnnl_status_t guarded_post_ops_append_sum(dnnl_post_ops_t ops, float scale);
dnnl_status_t guarded_attr_create(dnnl_primitive_attr_t *attributes);
dnnl_status_t guarded_attr_set_post_ops(dnnl_primitive_attr_t attributes, const_dnnl_post_ops_t ops);
dnnl_status_t guarded_primitive_desc_create(dnnl_primitive_desc_t *described, const_dnnl_op_desc_t operation,
                                            const_dnnl_primitive_attr_t attributes, dnnl_engine_t engine);
dnnl_status_t guarded_reorder_desc_create(dnnl_primitive_desc_t *described, const dnnl_memory_desc_t *from,
                                          const dnnl_memory_desc_t *to, dnnl_engine_t engine);
dnnl_status_t guarded_primitive_create(dnnl_primitive_t *primitive, const_dnnl_primitive_desc_t described);
dnnl_status_t guarded_memory_create(dnnl_memory_t *memory, const dnnl_memory_desc_t *desc, dnnl_engine_t engine,
                                    void *data);
dnnl_status_t guarded_stream_create(dnnl_stream_t *stream, dnnl_engine_t engine);

/* Executes and waits. `first`: this primitive did not run yet, and may compile what it shares with others. */
dnnl_status_t guarded_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                        const dnnl_exec_arg_t *arguments, bool first);

#ifdef __cplusplus
}
#endif

#endif
