/* Attention: between tokens, between few tokens and many rows, and rotary positions. */
#include "ops/cuda/cuda.h"

#include "base/error.h"

enum { VECTOR_BYTES = 16 };

static struct cuda_rows token_rows(const struct tensor *x)
{
    return (struct cuda_rows){.data = cuda_data(*x), .stride = {x->stride[0], x->stride[1], x->stride[2]}};
}

/* Every head of every token begins at 16 bytes and fills them. */
static bool reads_vectors(const struct tensor *x)
{
    const int64_t step = VECTOR_BYTES / (int64_t)dtype_size(x->dtype);
    return (uintptr_t)cuda_data(*x) % VECTOR_BYTES == 0 && x->stride[0] % step == 0 && x->stride[1] % step == 0 &&
           x->stride[2] % step == 0 && x->dim[3] % step == 0;
}

/* Whether two values from an even column on can be written at once. */
static bool takes_pairs(const struct tensor *x)
{
    const size_t bytes = 2 * dtype_size(x->dtype);
    return (uintptr_t)cuda_data(*x) % bytes == 0 && x->stride[0] % 2 == 0 && x->stride[1] % 2 == 0 &&
           x->stride[2] % 2 == 0 && x->dim[3] % 2 == 0;
}

/* Kernels that keep a tile of keys and values in shared memory as narrow values, by the widths they have room for and
 * the queries of a block; see attention.cu. */
struct shape {
    int64_t width, value_width, queries;
    int64_t keys; /* at once */
    int warps;
    int blocks;              /* of a multiprocessor at once */
    bool kept;               /* queries are, as registers: two places for keys and values */
    bool hopper;             /* keys and values have two places each; see attention_hopper.cu */
    enum cuda_kernel kernel; /* with a result of F32; the narrow one is next */
};
static const struct shape shapes[] = {
    {64, 64, 16, 16, 1, 2, true, false, KERNEL_attention_64_64_16_nf},
    {64, 64, 64, 64, 4, 2, true, false, KERNEL_attention_64_64_64_nf},
    {64, 64, 128, 64, 4, 2, true, false, KERNEL_attention_64_64_128_nf},
    {96, 96, 16, 16, 1, 2, true, false, KERNEL_attention_96_96_16_nf},
    {96, 96, 64, 32, 4, 2, true, false, KERNEL_attention_96_96_64_nf},
    {96, 96, 128, 32, 4, 2, true, false, KERNEL_attention_96_96_128_nf},
    {128, 128, 64, 64, 4, 2, true, false, KERNEL_attention_128_128_64_nf},
    {128, 128, 128, 32, 4, 2, false, false, KERNEL_attention_128_128_128_nf},
    {256, 64, 128, 32, 4, 2, false, false, KERNEL_attention_256_64_128_nf},
    {256, 256, 64, 48, 4, 2, false, false, KERNEL_attention_256_256_64_nf},
};

static const struct shape hopper_shapes[] = {
    {64, 64, 64, 128, 4, 3, false, true, KERNEL_attention_hopper_64_64_64_nf},
    {256, 64, 128, 128, 8, 1, false, true, KERNEL_attention_hopper_256_64_128_nf},
    {256, 256, 128, 64, 8, 1, false, true, KERNEL_attention_hopper_256_256_128_nf},
};

static int64_t in_whole(int64_t value, int64_t by)
{
    return (value + by - 1) / by;
}

static size_t shared_bytes_of(const struct shape *shape, int64_t keys)
{
    enum { GAP = 8, ALIGNMENT = 1024 };
    if (shape->hopper) {
        const int64_t values = shape->queries * shape->width + 2 * shape->keys * (shape->width + shape->value_width);
        return ALIGNMENT + (size_t)values * dtype_size(DTYPE_BF16);
    }
    const int64_t query = shape->queries * (shape->width + GAP);
    const int64_t place = shape->keys * (shape->width + shape->value_width + 2 * GAP);
    const int64_t second = shape->kept && keys > shape->keys && place > query ? place : query;
    return (size_t)(place + second) * dtype_size(DTYPE_BF16);
}

/* The kernel for these widths whose blocks fit the queries; NULL: none. Larger blocks read keys less often, but there
 * must be enough of them for the GPU, and not too much in them that is no query. */
static const struct shape *shape_for(const struct cuda_device *cuda, const struct attention_arguments *a)
{
    const struct shape *found = NULL;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct shape *const shape = &shapes[i];
        if (a->width > shape->width || a->value_width > shape->value_width ||
            (found && (shape->width != found->width || shape->value_width != found->value_width)))
            continue;
        const int64_t blocks = in_whole(a->queries, shape->queries) * a->heads * a->batch;
        if (found && (a->queries <= found->queries || blocks < cuda->multiprocessors ||
                      in_whole(a->queries, found->queries) * found->queries * 5 <
                          in_whole(a->queries, shape->queries) * shape->queries * 4))
            break;
        found = shape;
    }
    return found;
}

/* The same among those for Hopper alone; NULL: none. */
static const struct shape *hopper_shape_for(const struct cuda_device *cuda, const struct attention_arguments *a)
{
    enum { LEAST_KEYS = 256 };
    if (!cuda->hopper || a->causal || !a->vector || a->keys < LEAST_KEYS)
        return NULL;
    for (size_t i = 0; i < sizeof(hopper_shapes) / sizeof(hopper_shapes[0]); i++) {
        const struct shape *const shape = &hopper_shapes[i];
        const bool fits = a->width > shape->width - 64 && a->width <= shape->width &&
                          a->value_width > shape->value_width - 64 && a->value_width <= shape->value_width &&
                          a->queries >= shape->queries && shared_bytes_of(shape, a->keys) <= cuda->shared_bytes;
        if (fits)
            return shape;
    }
    return NULL;
}

/* How many blocks share the steps of so many tiles: one a tile, or as many as the GPU runs at once, where it would be
 * busy in part otherwise. */
static int64_t blocks_for(const struct cuda_device *cuda, const struct shape *shape,
                          const struct attention_arguments *a, int64_t tiles)
{
    enum { LEAST_STEPS = 8, ENOUGH = 85 /* per cent */ };
    const int64_t at_once = (int64_t)cuda->multiprocessors * shape->blocks, room = in_whole(tiles, at_once) * at_once;
    if (a->causal || tiles * 100 >= room * ENOUGH || (shape->hopper && tiles >= at_once))
        return tiles;
    const int64_t useful = tiles * a->steps / LEAST_STEPS;
    if (useful >= at_once)
        return at_once;
    return useful > tiles ? useful : tiles;
}

static void attend_narrow(struct compute *compute, const struct shape *shape, struct attention_arguments a,
                          enum dtype out)
{
    enum { JOIN_THREADS = 128, JOIN_LINES = JOIN_THREADS / 32 };
    const int narrow = out == DTYPE_F32 ? 0 : 1;
    const size_t mark = compute_mark(compute);
    const int64_t tiles = in_whole(a.queries, shape->queries) * a.heads * a.batch;
    a.steps = in_whole(a.keys, shape->keys);
    a.tile_queries = (int32_t)shape->queries;
    const int64_t blocks = blocks_for(cuda_of(compute_device(compute)), shape, &a, tiles);
    a.block_steps = tiles * a.steps / blocks;
    a.longer = tiles * a.steps % blocks;
    if (blocks != tiles)
        a.partial = cuda_data(COMPUTE_TENSOR(compute, DTYPE_F32, blocks, 2, a.tile_queries, 2 + a.value_width));
    cuda_launch(compute, (enum cuda_kernel)((int)shape->kernel + narrow), (struct cuda_grid){blocks, 1, 1},
                32 * shape->warps, shared_bytes_of(shape, a.keys), &a);
    if (blocks != tiles) {
        cuda_launch(compute, (enum cuda_kernel)((int)KERNEL_attention_join_f + narrow),
                    (struct cuda_grid){in_whole(tiles * shape->queries, JOIN_LINES), 1, 1}, JOIN_THREADS, 0, &a);
    }
    compute_release(compute, mark);
}

/* What those kernels count in 32 bits, and scores whose order the scale keeps. */
static bool is_ordinary(const struct attention_arguments *a)
{
    const int64_t limit = INT32_MAX / 2;
    return a->queries <= limit && a->keys <= limit && a->q.stride[1] <= limit && a->k.stride[1] <= limit &&
           a->v.stride[1] <= limit && a->scale > 1e-20F && a->scale < 1e20F;
}

/* The narrow kind of a tensor, in scratch. */
static struct tensor narrowed(struct compute *compute, struct tensor x)
{
    const struct tensor narrow = compute_tensor(compute, compute_narrow(compute), x.rank, x.dim);
    op_copy(compute, x, narrow);
    return narrow;
}

void cuda_attention(struct compute *compute, struct tensor q, struct tensor k, struct tensor v, float scale,
                    bool causal, struct tensor out)
{
    enum { ANY_WIDTH = 64, ANY_QUERIES = 32, ANY_THREADS = 128 };
    const bool exact = compute_narrow(compute) == DTYPE_F32;
    const size_t mark = compute_mark(compute);
    if (!exact && q.dtype == DTYPE_F32) { /* it would be rounded in any case */
        q = narrowed(compute, q);
        k = narrowed(compute, k);
        v = narrowed(compute, v);
    }
    const struct attention_arguments a = {
        .q = token_rows(&q),
        .k = token_rows(&k),
        .v = token_rows(&v),
        .out = token_rows(&out),
        .batch = q.dim[0],
        .queries = q.dim[1],
        .keys = k.dim[1],
        .heads = q.dim[2],
        .width = q.dim[3],
        .value_width = v.dim[3],
        .scale = scale,
        .causal = causal,
        .vector = reads_vectors(&q) && reads_vectors(&k) && reads_vectors(&v),
        .pairs = takes_pairs(&out),
    };
    const struct cuda_device *const cuda = cuda_of(compute_device(compute));
    const bool ordinary = !exact && is_ordinary(&a);
    const struct shape *shape = ordinary ? hopper_shape_for(cuda, &a) : NULL;
    if (ordinary && !shape)
        shape = shape_for(cuda, &a);
    if (shape) {
        attend_narrow(compute, shape, a, out.dtype);
    } else {
        const struct cuda_grid grid = {in_whole(a.queries, ANY_QUERIES) * q.dim[0], a.heads,
                                       in_whole(a.value_width, ANY_WIDTH)};
        cuda_launch(compute,
                    exact                    ? KERNEL_attention_exact
                    : out.dtype == DTYPE_F32 ? KERNEL_attention_any_nf
                                             : KERNEL_attention_any_nn,
                    grid, ANY_THREADS, 0, &a);
    }
    compute_release(compute, mark);
}

/* Shared memory for `count` floats; otherwise the pass fails. */
static bool has_room(struct compute *compute, const char *op, int64_t count)
{
    const size_t room = cuda_of(compute_device(compute))->shared_bytes;
    if ((uint64_t)count <= room / sizeof(float))
        return true;
    compute_fail(compute, error_set(SOWLV2_ERROR_UNSUPPORTED,
                                    "%s: %lld values do not fit into the %zu bytes that a block of this GPU may have: "
                                    "use --device cpu",
                                    op, (long long)count, room));
    return false;
}

enum { MODEL_WIDTH = 256, MODEL_PITCH = MODEL_WIDTH + 8, MODEL_HEADS = 8 }; /* as kernels/decoder.cu has them */

/* Narrow factors, and the width that kernels have been made for. */
static bool has_model_width(struct compute *compute, int64_t width)
{
    return compute_narrow(compute) == DTYPE_BF16 && width == MODEL_WIDTH;
}

/* Few queries with every row of `a`, by tensor cores; false: not for these. */
static bool attend_rows_narrow(struct compute *compute, struct attend_rows_arguments *a, int64_t batch)
{
    enum { WARPS = 5, TILE = 32, QUERIES_OF_WARP = 16, LEAST_ROWS = 2 * TILE };
    const int64_t needed = (a->queries + QUERIES_OF_WARP - 1) / QUERIES_OF_WARP,
                  warps = needed < WARPS ? needed : WARPS;
    const size_t shared = (size_t)((2 * TILE + QUERIES_OF_WARP * warps) * MODEL_PITCH) * dtype_size(DTYPE_BF16);
    if (!has_model_width(compute, a->width) || shared > cuda_of(compute_device(compute))->shared_bytes ||
        !cuda_is_aligned(a->q) || !cuda_is_aligned(a->x) || !cuda_is_aligned(a->positions))
        return false;
    const int64_t blocks = 2 * cuda_of(compute_device(compute))->multiprocessors;
    const int64_t groups = (needed + warps - 1) / warps, parts = (blocks + groups * batch - 1) / (groups * batch);
    a->part_rows = ((a->rows + parts - 1) / parts + TILE - 1) / TILE * TILE;
    a->part_rows = a->part_rows < LEAST_ROWS ? LEAST_ROWS : a->part_rows;
    a->parts = (a->rows + a->part_rows - 1) / a->part_rows;
    a->partial = cuda_data(COMPUTE_TENSOR(compute, DTYPE_F32, batch, a->queries, a->parts, 2 + a->width));
    cuda_launch(compute, KERNEL_attend_rows_256, (struct cuda_grid){a->parts * groups, batch, 1}, (int)(32 * warps),
                shared, a);
    return true;
}

void cuda_attend_rows(struct compute *compute, struct tensor q, struct tensor x, struct tensor positions, float scale,
                      struct tensor out)
{
    enum { WARPS = 8, TILE = 32, LEAST_TILE = 4, PART_ROWS = 256, THREADS = 32 * WARPS, JOIN_THREADS = 256 };
    const int64_t batch = q.dim[0], width = x.dim[2], rows = x.dim[1];
    const size_t mark = compute_mark(compute);
    struct attend_rows_arguments a = {
        .q = cuda_data(q),
        .x = cuda_data(x),
        .positions = cuda_data(positions),
        .out = cuda_data(out),
        .queries = q.dim[1],
        .rows = rows,
        .width = width,
        .x_stride = x.dim[0] == 1 ? 0 : rows * width,
        .parts = (rows + PART_ROWS - 1) / PART_ROWS,
        .part_rows = PART_ROWS,
        .tile = TILE,
        .scale = scale,
    };
    const struct cuda_grid queries = {a.queries, batch, 1};
    if (a.queries > 0 && attend_rows_narrow(compute, &a, batch)) {
        cuda_launch(compute, KERNEL_attend_rows_join, queries, JOIN_THREADS, 0, &a);
        compute_release(compute, mark);
        return;
    }
    /* The tile's rows with positions and without; the queries, and their sums. */
    const int64_t room = (int64_t)(cuda_of(compute_device(compute))->shared_bytes / sizeof(float));
    while (a.tile > LEAST_TILE && (2 * a.tile + 2 * WARPS) * (width + 1) > room)
        a.tile /= 2;
    const int64_t shared = (2 * a.tile + 2 * WARPS) * (width + 1);
    if (!has_room(compute, "op_attend_rows", shared))
        return;
    a.partial = cuda_data(COMPUTE_TENSOR(compute, DTYPE_F32, batch, a.queries, a.parts, 2 + width));
    const struct cuda_grid grid = {a.parts * ((a.queries + WARPS - 1) / WARPS), batch, 1};
    cuda_launch(compute, compute_narrow(compute) == DTYPE_F32 ? KERNEL_attend_rows_exact : KERNEL_attend_rows_rounded,
                grid, THREADS, (size_t)shared * sizeof(float), &a);
    cuda_launch(compute, KERNEL_attend_rows_join, queries, JOIN_THREADS, 0, &a);
    compute_release(compute, mark);
}

/* Rows over few tokens, by tensor cores; false: not for these. */
static bool attend_tokens_narrow(struct compute *compute, const struct attend_tokens_arguments *a, int64_t batch)
{
    enum { WARPS = 4, TILE = 16, FEW = 10, MOST = 16 };
    const int64_t tokens = a->tokens <= FEW ? FEW : MOST;
    const size_t shared = (size_t)(2 * tokens * MODEL_HEADS * MODEL_PITCH) * dtype_size(DTYPE_BF16);
    const void *const read[] = {a->x, a->positions, a->k, a->v, a->gamma, a->beta, a->out};
    if (!has_model_width(compute, a->width) || a->heads != MODEL_HEADS || a->tokens > MOST ||
        shared > cuda_of(compute_device(compute))->shared_bytes ||
        !cuda_are_aligned(read, sizeof(read) / sizeof(read[0])))
        return false;
    const int64_t blocks = 2 * cuda_of(compute_device(compute))->multiprocessors;
    const int64_t tiles = (a->rows + WARPS * TILE - 1) / (WARPS * TILE), parts = (blocks + batch - 1) / batch;
    cuda_launch(compute, tokens == FEW ? KERNEL_attend_tokens_10 : KERNEL_attend_tokens_16,
                (struct cuda_grid){tiles < parts ? tiles : parts, batch, 1}, 32 * WARPS, shared, a);
    return true;
}

void cuda_attend_tokens(struct compute *compute, const struct token_attention *t, struct tensor out)
{
    enum { ROWS = 8, CHUNK = 32, THREADS = 32 * ROWS };
    struct attend_tokens_arguments a = {
        .x = cuda_data(t->x),
        .positions = cuda_data(t->positions),
        .k = cuda_data(t->k),
        .v = cuda_data(t->v),
        .bias = cuda_data(t->bias),
        .gamma = cuda_data(t->gamma),
        .beta = cuda_data(t->beta),
        .out = cuda_data(out),
        .rows = t->x.dim[1],
        .width = t->x.dim[2],
        .tokens = t->k.dim[1],
        .heads = t->k.dim[2],
        .x_stride = t->x.dim[0] == 1 ? 0 : t->x.dim[1] * t->x.dim[2],
        .chunk = CHUNK,
        .scale = t->scale,
        .eps = t->eps,
    };
    if (attend_tokens_narrow(compute, &a, out.dim[0]))
        return;
    /* A chunk of the keys; each row's values, and its scores. */
    const int64_t columns = a.tokens * a.heads, of_rows = ROWS * (a.width + columns);
    const int64_t room = (int64_t)(cuda_of(compute_device(compute))->shared_bytes / sizeof(float));
    while (a.chunk > 1 && columns * (a.chunk + 1) + of_rows > room)
        a.chunk /= 2;
    const int64_t shared = columns * (a.chunk + 1) + of_rows;
    if (!has_room(compute, "op_attend_tokens", shared))
        return;
    cuda_launch(
        compute, compute_narrow(compute) == DTYPE_F32 ? KERNEL_attend_tokens_exact : KERNEL_attend_tokens_rounded,
        (struct cuda_grid){(a.rows + ROWS - 1) / ROWS, out.dim[0], 1}, THREADS, (size_t)shared * sizeof(float), &a);
}

void cuda_rope(struct compute *compute, struct tensor x, struct tensor cosines, struct tensor sines)
{
    const bool shared = cosines.dim[0] == 1;
    const struct rope_arguments a = {
        .x = token_rows(&x),
        .cosines = cuda_data(cosines),
        .sines = cuda_data(sines),
        .cosine_stride = {shared ? 0 : cosines.stride[0], cosines.stride[1]},
        .sine_stride = {shared ? 0 : sines.stride[0], sines.stride[1]},
        .tokens = x.dim[1],
        .heads = x.dim[2],
        .pairs = cosines.dim[2] / 2,
        .count = x.dim[0] * x.dim[1] * x.dim[2] * (cosines.dim[2] / 2),
    };
    cuda_launch_each(compute, x.dtype == DTYPE_F32 ? KERNEL_rope_f : KERNEL_rope_n, a.count, &a);
}
