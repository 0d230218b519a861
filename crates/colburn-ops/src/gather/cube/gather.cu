// Looking up rows of a table, and the gradient of the table. Arrays of rows are f32, and counted in vectors of four numbers; a thread writes one.
//
// lists: for each row of the table the number of places before its own, and the number of all places; from first_place on the places, in the order
// of the rows; behind them the rows that they are of. A place is a row of x. Places are added in order, in blocks of `block` where a row has many.

#define THREADS 256

DEVICE void add_four(float (&sum)[4], const float* from) {
    float value[4];
    load_four(value, from);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] += value[i];
}

// out[place] = table[ids[place]].
extern "C" __global__ void __launch_bounds__(THREADS)
gather_rows(const float* table, const u32* ids, float* out, u32 count, u32 vectors) {
    const u32 at = blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    float value[4];
    load_four(value, table + ((u64)ids[at / vectors] * vectors + at % vectors) * 4);
    store_four(out + (u64)at * 4, value);
}

// Adds the places of each block that are of one row.
extern "C" __global__ void __launch_bounds__(THREADS) add_blocks(
    const float* x, const u32* lists, float* sums, u32 count, u32 vectors, u32 first_place, u32 places, u32 block
) {
    const u32 at = blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    const u32 column = at % vectors, first = first_place + at / vectors * block, ids = first + places;
    if (lists[ids] != lists[ids + block - 1]) return;
    float sum[4] = {};
#pragma unroll 4
    for (u32 place = first; place < first + block; ++place) add_four(sum, x + ((u64)lists[place] * vectors + column) * 4);
    store_four(sums + (u64)at * 4, sum);
}

// Adds the places of each row of the table, those of whole blocks by the sums of the blocks. `blocks` may be null.
extern "C" __global__ void __launch_bounds__(THREADS) add_places(
    const float* x, const u32* lists, const float* blocks, float* out, u32 count, u32 vectors, u32 first_place, u32 block
) {
    const u32 at = blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    const u32 row = at / vectors, column = at % vectors, end = lists[row + 1];
    u32 place = lists[row];
    float sum[4] = {};
    if (blocks != nullptr) {
        const u32 first_block = (place + block - 1) / block, last_block = end / block;
        if (first_block < last_block) {
            for (; place < first_block * block; ++place) {
                add_four(sum, x + ((u64)lists[first_place + place] * vectors + column) * 4);
            }
            for (u32 number = first_block; number < last_block; ++number) {
                add_four(sum, blocks + ((u64)number * vectors + column) * 4);
            }
            place = last_block * block;
        }
    }
    for (; place < end; ++place) add_four(sum, x + ((u64)lists[first_place + place] * vectors + column) * 4);
    store_four(out + (u64)at * 4, sum);
}
