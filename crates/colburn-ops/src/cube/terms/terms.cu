// The sum mask * (x + x_bias) + residual.

#define THREADS 256

// x is Low [rows, width], x_bias f32 [width], residual and out f32 [rows, width]; x_bias and residual may be null. `vectors` counts vectors of
// four numbers of an array.
extern "C" __global__ void __launch_bounds__(THREADS) sum_of_terms(
    const Low* x, const float* x_bias, const float* residual, float* out, u32 vectors, u32 width, const u32* of_row,
    const u32* offsets, const u64* seeds, u32 site, u32 threshold, float scale_of_kept
) {
    const Masks masks = {of_row, offsets, seeds, site, threshold, scale_of_kept};
    for (u32 vector = blockIdx.x * THREADS + threadIdx.x; vector < vectors; vector += gridDim.x * THREADS) {
        const u32 row = vector / (width / 4), column = 4 * (vector % (width / 4));
        float sum[4];
        const u32 bits = dropped(masks, mask_of_row(masks, row, width), column);
        load_sum(sum, x, x_bias, residual, masks, bits, (u64)vector * 4, column);
        store_four(out + (u64)vector * 4, sum);
    }
}
