// Layer norms of the sum mask * (x + x_bias) + residual, forward and backward. The numbers of a row stay in registers.
//
// # Defines
// WIDTH: numbers of a row, a multiple of 8 up to 4096. DROPOUT: as in the common functions.
// PRE: 1 for a norm before a layer. Its sum is the residual alone, and it is written in Low alone. The gradient by it is Low, and `passing`, the
// gradient that goes past the layer on the residual stream, is added to that by the sum. 0 else.
//
// # Arrays
// x, by_x              Low [rows, WIDTH]: with PRE x is null, and by_x is by_sum once more
// residual, y          f32 [rows, WIDTH]: with PRE y is null
// gradient             Slope [rows, WIDTH]: the gradient by y
// passing, by_sum      f32 [rows, WIDTH]: passing is null without PRE; by_sum is the gradient by the sum
// low                  Low [rows, WIDTH]: y once more
// statistics           f32 [rows, 2]: mean and inverse of the standard deviation
// weight, bias, x_bias f32 [WIDTH]
// partial              f32 [blocks, 3 * WIDTH]: by block, sums of the gradients by weight, bias and x_bias; without x_bias the first two
// x_bias, residual, bias, low and by_x may be null.

#if PRE
typedef Low Slope;
#else
typedef float Slope;
#endif

// Warps that share a row, its threads, and the vectors of four numbers that each has at most.
#define ROW_WARPS ((WIDTH + 1023) / 1024)
#define LANES (32 * ROW_WARPS)
#define VECTORS (WIDTH / 4)
#define SHARE ((VECTORS + LANES - 1) / LANES)

// Rows that a block has at a time. The backward kernel keeps five numbers for each of a row's.
#define FORWARD_ROWS (8 / ROW_WARPS)
#define BACKWARD_ROWS (WIDTH <= 768 ? 12 : 8 / ROW_WARPS)

// Four numbers of the sum, from a place on, which is in this column.
DEVICE void load_terms(
    float (&to)[4], const Low* x, const float* x_bias, const float* residual, const Masks& masks, u32 bits, u64 at, u32 column
) {
#if PRE
    load_four(to, residual + at);
#else
    load_sum(to, x, x_bias, residual, masks, bits, at, column);
#endif
}

// The sum over the threads of a row. All threads of a block must call this; `shared` has a place for each of its warps.
DEVICE float sum_of_row(float x, float* shared) {
    x = sum_of_warp(x);
#if ROW_WARPS > 1
    const u32 warp = threadIdx.x / 32;
    __syncthreads();
    if (threadIdx.x % 32 == 0) shared[warp] = x;
    __syncthreads();
    x = shared[warp / ROW_WARPS * ROW_WARPS];
#pragma unroll
    for (int other = 1; other < ROW_WARPS; ++other) x += shared[warp / ROW_WARPS * ROW_WARPS + other];
#endif
    return x;
}

// Grid (ceil(rows / FORWARD_ROWS)).
extern "C" __global__ void __launch_bounds__(LANES* FORWARD_ROWS) norm_forward(
    const Low* x, const float* x_bias, const float* residual, const float* weight, const float* bias, float* y, Low* low,
    float* statistics, u32 rows, float eps, const u32* of_row, const u32* offsets, const u64* seeds, u32 site, u32 threshold,
    float scale_of_kept
) {
    __shared__ float shared[ROW_WARPS * FORWARD_ROWS];
    const Masks masks = {of_row, offsets, seeds, site, threshold, scale_of_kept};
    const u32 lane = threadIdx.x % LANES;
    const u32 wanted = blockIdx.x * FORWARD_ROWS + threadIdx.x / LANES;
    // Threads behind the last row repeat it and write nothing: all take part in the sums.
    const bool inside = wanted < rows;
    const u32 row = inside ? wanted : rows - 1;
    const RowMask mask = mask_of_row(masks, row, WIDTH);

    float values[SHARE][4];
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < SHARE; ++i) {
        const u32 column = 4 * (i * LANES + lane);
        if (column < WIDTH) {
            const u64 at = (u64)row * WIDTH + column;
            load_terms(values[i], x, x_bias, residual, masks, dropped(masks, mask, column), at, column);
            sum += (values[i][0] + values[i][1]) + (values[i][2] + values[i][3]);
        }
    }
    const float mean = sum_of_row(sum, shared) / WIDTH;

    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < SHARE; ++i) {
        if (4 * (i * LANES + lane) < WIDTH) {
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float difference = values[i][k] - mean;
                squares = fmaf(difference, difference, squares);
            }
        }
    }
    const float scale = 1.0f / sqrtf(sum_of_row(squares, shared) / WIDTH + eps);

    if (!inside) return;
#pragma unroll
    for (int i = 0; i < SHARE; ++i) {
        const u32 column = 4 * (i * LANES + lane);
        if (column < WIDTH) {
            const u64 at = (u64)row * WIDTH + column;
            float factors[4], terms[4] = {};
            load_four(factors, weight + column);
            if (bias != nullptr) load_four(terms, bias + column);
#pragma unroll
            for (int k = 0; k < 4; ++k) values[i][k] = fmaf(__fmul_rn(values[i][k] - mean, scale), factors[k], terms[k]);
            if (y != nullptr) store_four(y + at, values[i]);
            if (low != nullptr) store_four(low + at, values[i]);
        }
    }
    if (lane == 0) {
        statistics[2 * row] = mean;
        statistics[2 * row + 1] = scale;
    }
}

// Adds the sums of the threads of a block that have the same columns, and writes them. All threads must call this.
DEVICE void write_columns(float* to, const float (&sums)[SHARE][4], float (&shared)[BACKWARD_ROWS][WIDTH]) {
    const u32 lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SHARE; ++i) {
        const u32 column = 4 * (i * LANES + lane);
        if (column < WIDTH) store_four(&shared[row][column], sums[i]);
    }
    __syncthreads();
    for (u32 column = threadIdx.x; column < WIDTH; column += LANES * BACKWARD_ROWS) {
        float total = shared[0][column];
#pragma unroll
        for (int other = 1; other < BACKWARD_ROWS; ++other) total += shared[other][column];
        to[column] = total;
    }
}

// A block has the rows of its number, that plus the number of blocks, and so on, BACKWARD_ROWS at a time.
extern "C" __global__ void __launch_bounds__(LANES* BACKWARD_ROWS, 1) norm_backward(
    const Low* x, const float* x_bias, const float* residual, const float* weight, const float* statistics, const Slope* gradient,
    const float* passing, float* by_sum, Low* by_x, float* partial, u32 rows, u32 steps, const u32* of_row, const u32* offsets,
    const u64* seeds, u32 site, u32 threshold, float scale_of_kept
) {
    __shared__ float shared[ROW_WARPS * BACKWARD_ROWS];
    __shared__ __align__(16) float columns[BACKWARD_ROWS][WIDTH];
    const Masks masks = {of_row, offsets, seeds, site, threshold, scale_of_kept};
    const u32 lane = threadIdx.x % LANES;
    float by_weight[SHARE][4] = {}, by_bias[SHARE][4] = {}, by_x_bias[SHARE][4] = {};

    for (u32 step = 0; step < steps; ++step) {
        const u32 wanted = (step * gridDim.x + blockIdx.x) * BACKWARD_ROWS + threadIdx.x / LANES;
        // Threads behind the last row repeat it, and write and count nothing: all take part in the sums.
        const bool inside = wanted < rows;
        const u32 row = inside ? wanted : rows - 1;
        const RowMask mask = mask_of_row(masks, row, WIDTH);
        const float mean = statistics[2 * row], scale = statistics[2 * row + 1];
        float normal[SHARE][4], weighted[SHARE][4];
        float sum = 0.0f, along = 0.0f;
        u32 all_bits = 0;
#pragma unroll
        for (int i = 0; i < SHARE; ++i) {
            const u32 column = 4 * (i * LANES + lane);
            if (column < WIDTH) {
                const u32 bits = dropped(masks, mask, column);
                all_bits |= bits << 4 * i;
                const u64 at = (u64)row * WIDTH + column;
                load_terms(normal[i], x, x_bias, residual, masks, bits, at, column);
                load_four(weighted[i], gradient + at);
                float factors[4];
                load_four(factors, weight + column);
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float value = __fmul_rn(normal[i][k] - mean, scale), slope = weighted[i][k];
                    if (inside) {
                        by_weight[i][k] = fmaf(slope, value, by_weight[i][k]);
                        by_bias[i][k] += slope;
                    }
                    normal[i][k] = value;
                    weighted[i][k] = __fmul_rn(slope, factors[k]);
                    sum += weighted[i][k];
                    along = fmaf(weighted[i][k], value, along);
                }
            }
        }
        sum = sum_of_row(sum, shared) / WIDTH;
        along = sum_of_row(along, shared) / WIDTH;
        if (inside) {
#pragma unroll
            for (int i = 0; i < SHARE; ++i) {
                const u32 column = 4 * (i * LANES + lane);
                if (column < WIDTH) {
                    const u64 at = (u64)row * WIDTH + column;
                    float by[4];
#pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        by[k] = __fmul_rn(fmaf(-normal[i][k], along, weighted[i][k] - sum), scale);
                    }
#if PRE
                    float past[4];
                    load_four(past, passing + at);
#pragma unroll
                    for (int k = 0; k < 4; ++k) by[k] += past[k];
#endif
                    store_four(by_sum + at, by);
#if !PRE
#pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        by[k] = masked(masks, by[k], all_bits >> 4 * i, k);
                        by_x_bias[i][k] += by[k];
                    }
#endif
                    if (by_x != nullptr) store_four(by_x + at, by);
                }
            }
        }
    }

    float* to = partial + (u64)blockIdx.x * (x_bias != nullptr ? 3 : 2) * WIDTH;
    write_columns(to, by_weight, columns);
    write_columns(to + WIDTH, by_bias, columns);
    if (x_bias != nullptr) write_columns(to + 2 * WIDTH, by_x_bias, columns);
}
