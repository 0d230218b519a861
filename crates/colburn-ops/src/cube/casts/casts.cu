// Casts of several arrays from f32 to bf16, each into columns of a wider array. A block takes CHUNK numbers of one array. The list travels in
// the launch's own arguments.

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define THREADS 256
#define CHUNK 8192

struct Entry {
    const float* from;
    // The first column.
    u16* to;
    u32 count;
    u32 columns;
    // Columns of the target.
    u32 width;
    // The first block that works on it.
    u32 first_block;
    // 1 if eight numbers lie together in both arrays.
    u32 vectors;
    u32 unused;
};

struct Entries {
    Entry all[32];
};

// Two numbers, the first in the low half.
static __device__ __forceinline__ u32 pair(float first, float second) {
    u32 both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
}

extern "C" __global__ void __launch_bounds__(THREADS) cast_all(const __grid_constant__ Entries entries, u32 count) {
    u32 number = 0;
    while (number + 1 < count && entries.all[number + 1].first_block <= blockIdx.x) number++;
    const Entry& entry = entries.all[number];
    const u32 start = (blockIdx.x - entry.first_block) * CHUNK;
    const u32 end = min(start + CHUNK, entry.count);
    if (entry.vectors) {
        for (u32 place = start + 8 * threadIdx.x; place < end; place += 8 * THREADS) {
            const float4 low = *reinterpret_cast<const float4*>(entry.from + place);
            const float4 high = *reinterpret_cast<const float4*>(entry.from + place + 4);
            uint4 eight = {pair(low.x, low.y), pair(low.z, low.w), pair(high.x, high.y), pair(high.z, high.w)};
            const u64 at = (u64)(place / entry.columns) * entry.width + place % entry.columns;
            *reinterpret_cast<uint4*>(entry.to + at) = eight;
        }
    } else {
        for (u32 place = start + threadIdx.x; place < end; place += THREADS) {
            const u64 at = (u64)(place / entry.columns) * entry.width + place % entry.columns;
            entry.to[at] = (u16)pair(entry.from[place], 0.0f);
        }
    }
}
