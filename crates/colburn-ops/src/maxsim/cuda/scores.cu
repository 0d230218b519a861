// The scores of MaxSim. This text stands behind rows.cu.
//
// HOPPER: 1 for compute capability 9.0; then DIM is a multiple of 64, and WARPS of 4.

// With HOPPER products are those of Hopper's own instructions, whose factors of documents lie in shared memory in a form of their own; a warp takes part
// in products of four.

// Rows of documents that are in shared memory together, and how many such stages there are.
#define STEP (HOPPER || ROW <= 256 ? 64 : 32)
#define STAGES 3
// Bytes from a row to the next in shared memory: an odd number of 16, so that matrices are loaded without bank conflicts.
#define STRIDE (2 * ROW + 16)
#define STAGE_BYTES (STEP * (HOPPER ? 2 * ROW : STRIDE))
// Tiles of 16 rows of queries of a warp, whose halves stay in registers, and steps of 16 through a row.
#define TILES (DIM > 128 ? 1 : 2)
#define STEPS (DIM / 16)
// Groups of 8 rows of documents that are multiplied together: as many as there are registers for.
#define TOGETHER (HOPPER ? STEP / 8 : KEEP ? 2 : 4)

#if HOPPER

// The place of 16 bytes of a row in shared memory: in blocks of 128 bytes of each row, whose parts are exchanged.
DEVICE u32 place_of(u32 row, u32 part) { return part / 8 * (STEP * 128) + row * 128 + ((part ^ row) % 8) * 16; }

// sum += rows of queries * rows of documents, in shared memory from `from` on, for one of the halves of each; without `add` sum becomes the product.
// The results are there after wait_for_products.
DEVICE void add_products(float (&sum)[TILES][TOGETHER][4], const u32 (&left)[TILES][STEPS][4], u32 from, bool add) {
#pragma unroll
    for (int step = 0; step < STEPS; ++step) {
        const u64 right = matrix_of(from + step / 4 * (STEP * 128) + step % 4 * 32);
#pragma unroll
        for (int tile = 0; tile < TILES; ++tile) multiply_four_warps(sum[tile], left[tile][step], right, add || step > 0);
    }
}

#else

DEVICE u32 place_of(u32 row, u32 part) { return row * STRIDE + part * 16; }

// sum += rows of queries * rows of documents, in shared memory from `from` on, for one of the halves of each.
DEVICE void add_products(float (&sum)[TILES][TOGETHER][4], const u32 (&left)[TILES][STEPS][4], u32 from) {
#pragma unroll
    for (int step = 0; step < STEPS; step += 2) {
#pragma unroll
        for (int group = 0; group < TOGETHER; ++group) {
            u32 right[4];
            load_matrices(right, from + group * 8 * STRIDE + step * 32);
#pragma unroll
            for (int tile = 0; tile < TILES; ++tile) {
                multiply(sum[tile][group], left[tile][step], right[0], right[1]);
                multiply(sum[tile][group], left[tile][step + 1], right[2], right[3]);
            }
        }
    }
}

#endif

// The running maxima of a thread over a document: of rows `tile * 16 + half * 8 + lane / 4` of its warp over the columns that it has of each
// group of 8, which with KEEP are apart, for they are the rows of the document.
struct Maxima {
    float value[TILES][2][KEEP + 1];
#if KEEP
    u32 row[TILES][2][2];
#endif
};

DEVICE void begin(Maxima& maxima) {
#pragma unroll
    for (int i = 0; i < 2 * TILES * (KEEP + 1); ++i) (&maxima.value[0][0][0])[i] = __uint_as_float(0xff800000u);
#if KEEP
#pragma unroll
    for (int i = 0; i < 4 * TILES; ++i) (&maxima.row[0][0][0])[i] = 0;
#endif
}

// Takes the products with a group, whose first row in the document is `row`.
DEVICE void take(Maxima& maxima, const float (&products)[4], int tile, u32 row) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        float& value = maxima.value[tile][i / 2][KEEP ? i % 2 : 0];
#if KEEP
        // Of equal products the first stays.
        maxima.row[tile][i / 2][i % 2] = products[i] > value ? row : maxima.row[tile][i / 2][i % 2];
#endif
        value = max_nan(value, products[i]);
    }
}

// The better of two products of rows of a document: the greater, and of equal ones the first. Beside NaN any row will do.
DEVICE void better(float& value, u32& row, float other, u32 other_row) {
    if (other > value || (other == value && other_row < row)) row = other_row;
    value = max_nan(value, other);
}

// Writes the maxima of a warp over a document, and their sums, from a place on. `groups` groups of the warp are rows of queries.
DEVICE void end(const Maxima& maxima, bool floored, float* sums, u16* best, u64 place, int groups) {
    const u32 lane = threadIdx.x % 32, column = lane % 4;
    float total = 0.0f;
    u32 chosen = 0;
#pragma unroll
    for (int group = 0; group < 2 * TILES; ++group) {
        const int tile = group / 2, half = group % 2;
        float value = maxima.value[tile][half][0];
#if KEEP
        u32 row = maxima.row[tile][half][0] + 2 * column;
        better(value, row, maxima.value[tile][half][1], maxima.row[tile][half][1] + 2 * column + 1);
#pragma unroll
        for (int step = 1; step < 4; step *= 2) {
            const float other = __shfl_xor_sync(0xffffffffu, value, step);
            better(value, row, other, __shfl_xor_sync(0xffffffffu, row, step));
        }
#else
#pragma unroll
        for (int step = 1; step < 4; step *= 2) value = max_nan(value, __shfl_xor_sync(0xffffffffu, value, step));
#endif
        // A product that equals the floor stays, with its gradient; so does NaN.
        if (floored && value < 0.0f) {
            value = 0.0f;
#if KEEP
            row = NO_TOKEN;
#endif
        }
#if KEEP
        if (column == group) chosen = row;
#endif
#pragma unroll
        for (int step = 4; step < 32; step *= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
        if (lane == group) total = value;
    }
    if ((int)lane < groups) sums[place + lane] = total;
#if KEEP
    if ((int)column < groups) best[(place + column) * 8 + lane / 4] = (u16)chosen;
#endif
}

// The maxima of rows of queries over documents. A block has an item: up to 2 TILES WARPS groups of rows of queries, whose halves stay in registers,
// and neighbouring groups of documents, which pass by in shared memory.
// owners  u32 [groups of documents]: the document, + 2^30 if no maximum over it is below 0, + 2^31 if the group is its last
// items   u32 [items, 8]: the first row and the number of groups of the queries; the first group of documents and the one behind the last; the first
//         document; the low half of the place of the first of the groups with it, and the distance to that with the next; the high half
extern "C" __global__ void __launch_bounds__(32 * WARPS, SPLIT || HOPPER ? 1 : 16 / WARPS)
maxsim_scores(const u16* queries, const u16* documents, const u32* owners, const u32* items, float* sums, u16* best) {
    extern __shared__ __align__(1024) unsigned char memory[];
    const u32 shared = shared_address(memory);
    const u32* item = items + 8 * (u64)blockIdx.x;
    const u32 first_group = item[2], end_group = item[3], first_document = item[4], stride = item[6];
    const u64 base = item[5] | (u64)item[7] << 32;
    const u32 lane = threadIdx.x % 32, own = threadIdx.x / 32 * (2 * TILES);
    const int groups = min((int)item[1] - (int)own, 2 * TILES);

    u32 left[SPLIT + 1][TILES][STEPS][4];
#pragma unroll
    for (int part = 0; part <= SPLIT; ++part) {
#pragma unroll
        for (int tile = 0; tile < TILES; ++tile) {
#pragma unroll
            for (int step = 0; step < STEPS; ++step) {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const int group = 2 * tile + i % 2;
                    const u64 row = item[0] + (own + group) * 8 + lane / 4;
                    const u32 column = part * DIM + step * 16 + i / 2 * 8 + lane % 4 * 2;
                    left[part][tile][step][i] = group < groups ? *reinterpret_cast<const u32*>(queries + row * ROW + column) : 0;
                }
            }
        }
    }

    const u32 steps = (end_group - first_group + STEP / 8 - 1) / (STEP / 8);
    auto fetch = [&](u32 step) {
        if (step < steps) {
            const u32 group = first_group + step * (STEP / 8), rows = (end_group - group) * 8;
            const u16* from = documents + (u64)group * 8 * ROW;
            const u32 to = shared + step % STAGES * STAGE_BYTES;
            for (u32 at = threadIdx.x; at < STEP * (ROW / 8); at += 32 * WARPS) {
                const u32 row = at / (ROW / 8), part = at % (ROW / 8);
                const bool valid = row < rows;
                copy_async(to + place_of(row, part), valid ? from + row * ROW + part * 8 : from, valid);
            }
        }
        copy_commit();
    };
    auto owner_of = [&](u32 step) {
        const u32 group = first_group + step * (STEP / 8) + lane;
        return lane < STEP / 8 && group < end_group ? owners[group] : 0;
    };

#pragma unroll
    for (u32 step = 0; step < STAGES - 1; ++step) fetch(step);
    Maxima maxima;
    begin(maxima);
    u32 row = 0, next = owner_of(0);
    for (u32 step = 0; step < steps; ++step) {
        copy_wait<STAGES - 2>();
#if HOPPER
        copies_for_products();
#endif
        __syncthreads();
        fetch(step + STAGES - 1);
        const u32 here = next, ends = __ballot_sync(0xffffffffu, here >> 31);
        next = owner_of(step + 1);
        // Four warps multiply together.
        if (HOPPER ? own - own % (8 * TILES) >= item[1] : groups <= 0) continue;
        const u32 count = min(end_group - first_group - step * (STEP / 8), (u32)(STEP / 8));
        const u32 from = shared + step % STAGES * STAGE_BYTES + (HOPPER ? 0 : lane % 8 * STRIDE + lane / 8 * 16);
        for (u32 group = 0; group < count; group += TOGETHER) {
            // With SPLIT the small products first, for the sums in the tensor cores are cut off and not rounded.
#if HOPPER
            float products[TILES][TOGETHER][4];
            begin_products();
#if SPLIT
            add_products(products, left[0], from + DIM / 64 * (STEP * 128), false);
            add_products(products, left[1], from, true);
#endif
            add_products(products, left[0], from, SPLIT);
            wait_for_products(products);
#else
            float products[TILES][TOGETHER][4] = {};
            const u32 at = from + group * 8 * STRIDE;
#if SPLIT
            add_products(products, left[0], at + 2 * DIM);
            add_products(products, left[1], at);
#endif
            add_products(products, left[0], at);
#endif
            // Up to the end of each document that ends here, and behind the last one.
            const int all = (int)min(count - group, (u32)TOGETHER);
            for (int start = 0; start < all;) {
                const u32 ending = ends >> (group + start);
                const int stop = ending == 0 ? all : min(all, start + __ffs(ending));
#pragma unroll
                for (int i = 0; i < TOGETHER; ++i) {
                    if (i < start || i >= stop) continue;
#pragma unroll
                    for (int tile = 0; tile < TILES; ++tile) take(maxima, products[tile][i], tile, row);
                    row += 8;
                }
                start = stop;
                if (ends >> (group + stop - 1) & 1) {
                    const u32 owner = __shfl_sync(0xffffffffu, here, group + stop - 1), document = owner & 0x3fffffffu;
                    end(maxima, owner >> 30 & 1, sums, best, base + (u64)(document - first_document) * stride + own, groups);
                    begin(maxima);
                    row = 0;
                }
            }
        }
    }
}

// The scores, f32 [queries, columns]. A block has 32 queries and 32 columns.
extern "C" __global__ void __launch_bounds__(256) maxsim_sums(
    const float* sums, const u32* records, const u32* query_starts, const u32* document_starts, const float* query_scales,
    const float* document_scales, float* scores, u32 queries, u32 columns, u32 group
) {
    __shared__ float tile[32][33];
    const u32 near = threadIdx.x % 32, far = threadIdx.x / 32;
    const u32 query = blockIdx.y * 32 + near;
    for (u32 i = far; i < 32; i += 8) {
        const u32 column = blockIdx.x * 32 + i, document = group == 0 ? column : query * group + column;
        float score = 0.0f;
        if (query < queries && column < columns && document_starts[document] < document_starts[document + 1]) {
            const u64 place = records[2 * query] + (u64)column * records[2 * query + 1];
            const u32 groups = (query_starts[query + 1] - query_starts[query]) / 8;
            for (u32 at = 0; at < groups; ++at) score += sums[place + at];
            score = score * query_scales[query] * document_scales[document];
        }
        tile[i][near] = score;
    }
    __syncthreads();
    for (u32 i = far; i < 32; i += 8) {
        const u32 to = blockIdx.y * 32 + i, column = blockIdx.x * 32 + near;
        if (to < queries && column < columns) scores[(u64)to * columns + column] = tile[near][i];
    }
}
