// Sums of the columns of a matrix.

// The sums of blocks of rows, f32 [blocks, width], of x, Low [rows, width]. Grid (ceil(width / VECTOR / BLOCK_LANES), blocks).
extern "C" __global__ void __launch_bounds__(BLOCK_LANES* BLOCK_ROWS)
column_sums(const Low* x, float* partial, u32 rows, u32 vectors, u32 rows_of_block) {
    const u32 column = blockIdx.x * BLOCK_LANES + threadIdx.x % BLOCK_LANES;
    const bool inside = column < vectors;
    const u32 end = min((blockIdx.y + 1) * rows_of_block, rows);
    float sum[VECTOR] = {};
    if (inside) {
#pragma unroll 4
        for (u32 row = blockIdx.y * rows_of_block + threadIdx.x / BLOCK_LANES; row < end; row += BLOCK_ROWS) {
            float value[VECTOR];
            load_vector(value, x + ((u64)row * vectors + column) * VECTOR);
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) sum[i] += value[i];
        }
    }
    write_block(partial + ((u64)blockIdx.y * vectors + column) * VECTOR, sum, inside);
}

// The second pass has these neighbouring vectors of four numbers, and rows of partial sums at a time.
#define SECOND_LANES 8
#define SECOND_ROWS 32

// The sum of the rows of partial sums, f32 [blocks, 4 * vectors]. Grid (ceil(vectors / SECOND_LANES)).
extern "C" __global__ void __launch_bounds__(SECOND_LANES* SECOND_ROWS)
add_partial(const float* partial, float* out, u32 blocks, u32 vectors) {
    __shared__ float sums[SECOND_ROWS][SECOND_LANES][4];
    const u32 lane = threadIdx.x % SECOND_LANES, row = threadIdx.x / SECOND_LANES;
    const u32 column = blockIdx.x * SECOND_LANES + lane;
    float sum[4] = {};
    if (column < vectors) {
#pragma unroll 4
        for (u32 block = row; block < blocks; block += SECOND_ROWS) {
            float value[4];
            load_four(value, partial + ((u64)block * vectors + column) * 4);
#pragma unroll
            for (int i = 0; i < 4; ++i) sum[i] += value[i];
        }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[row][lane][i] = sum[i];
    __syncthreads();
    // One thread for each number: SECOND_LANES * 4 of them.
    const u32 number = threadIdx.x % 4, vector = threadIdx.x / 4;
    if (vector < SECOND_LANES && blockIdx.x * SECOND_LANES + vector < vectors) {
        float total = sums[0][vector][number];
#pragma unroll
        for (int other = 1; other < SECOND_ROWS; ++other) total += sums[other][vector][number];
        out[(blockIdx.x * SECOND_LANES + vector) * 4 + number] = total;
    }
}
