// Copies of several arrays of f32 as Low, each into columns of a wider array. A block takes CHUNK numbers of one array. The list travels in the
// launch's own arguments.

#define THREADS 256
#define CHUNK 8192

struct Entry {
    const float* from;
    // The first column.
    Low* to;
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

extern "C" __global__ void __launch_bounds__(THREADS) cast_all(const __grid_constant__ Entries entries, u32 count) {
    u32 number = 0;
    while (number + 1 < count && entries.all[number + 1].first_block <= blockIdx.x) number++;
    const Entry& entry = entries.all[number];
    const u32 start = (blockIdx.x - entry.first_block) * CHUNK;
    const u32 end = min(start + CHUNK, entry.count);
    if (entry.vectors) {
        for (u32 place = start + 8 * threadIdx.x; place < end; place += 8 * THREADS) {
            float first[4], second[4];
            load_four(first, entry.from + place);
            load_four(second, entry.from + place + 4);
            const u64 at = (u64)(place / entry.columns) * entry.width + place % entry.columns;
            store_four(entry.to + at, first);
            store_four(entry.to + at + 4, second);
        }
    } else {
        for (u32 place = start + threadIdx.x; place < end; place += THREADS) {
            const u64 at = (u64)(place / entry.columns) * entry.width + place % entry.columns;
#if LOW
            entry.to[at] = (Low)pair(entry.from[place], 0.0f);
#else
            entry.to[at] = entry.from[place];
#endif
        }
    }
}
