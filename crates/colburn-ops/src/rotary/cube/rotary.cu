// Rotary position embeddings, in place: element i of a head is rotated with element i + HALF_HEAD.
//
// # Defines
// HALF_HEAD: numbers of half a head, a multiple of VECTOR.
//
// # Arrays
// x        Low [rows, width]: the first `heads` heads of each row are rotated, the others are not touched
// angles   f32 [positions, 2, HALF_HEAD]: the cosines of a position, and its sines
// of_row   u32 [rows]: the text of each row; offsets, u32 [texts + 1]: the first row of each text
// Vectors of x and of angles begin at multiples of 16 bytes.

#define THREADS 256
#define WARPS (THREADS / 32)
#define CHUNKS (HALF_HEAD / VECTOR)

DEVICE void load_angles(float (&to)[VECTOR], const float* from) {
#pragma unroll
    for (int i = 0; i < VECTOR; i += 4) {
        float four[4];
        load_four(four, from + i);
#pragma unroll
        for (int k = 0; k < 4; ++k) to[i + k] = four[k];
    }
}

// A warp has a row at a time. sign is 1, or -1 for the opposite rotation.
extern "C" __global__ void __launch_bounds__(THREADS) rotate(
    Low* x, const float* angles, const u32* of_row, const u32* offsets, u32 rows, u32 width, u32 heads, float sign
) {
    for (u32 row = blockIdx.x * WARPS + threadIdx.x / 32; row < rows; row += gridDim.x * WARPS) {
        const float* angle = angles + (u64)(row - offsets[of_row[row]]) * (2 * HALF_HEAD);
        for (u32 unit = threadIdx.x % 32; unit < heads * CHUNKS; unit += 32) {
            const u32 place = unit % CHUNKS * VECTOR;
            Low* first = x + (u64)row * width + unit / CHUNKS * (2 * HALF_HEAD) + place;
            float a[VECTOR], b[VECTOR], cosine[VECTOR], sine[VECTOR];
            load_vector(a, first);
            load_vector(b, first + HALF_HEAD);
            load_angles(cosine, angle + place);
            load_angles(sine, angle + HALF_HEAD + place);
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) {
                const float turned = __fmul_rn(sine[i], sign), kept = a[i];
                a[i] = fmaf(kept, cosine[i], -__fmul_rn(b[i], turned));
                b[i] = fmaf(b[i], cosine[i], __fmul_rn(kept, turned));
            }
            store_vector(first, a);
            store_vector(first + HALF_HEAD, b);
        }
    }
}
