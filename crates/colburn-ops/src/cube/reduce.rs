//! Reductions over the units of a cube, through shared memory.

use cubecl::prelude::*;

/// The sum of the values of all units, for all of them. The number of units is a power of two and at most the length of `shared`.
#[cube]
pub(crate) fn sum(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half > 0 {
        if UNIT_POS < half {
            let other = shared[(UNIT_POS + half) as usize];
            shared[UNIT_POS as usize] += other;
        }
        sync_cube();
        half /= 2;
    }
    let total = shared[0];
    sync_cube();
    total
}

/// As [`sum`], of the largest value. A NaN may be lost: it has to come out of what is computed with the result.
#[cube]
pub(crate) fn maximum(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    shared[UNIT_POS as usize] = value;
    sync_cube();
    let mut half = CUBE_DIM / 2;
    while half > 0 {
        if UNIT_POS < half {
            let (one, other) = (shared[UNIT_POS as usize], shared[(UNIT_POS + half) as usize]);
            shared[UNIT_POS as usize] = select(other > one, other, one);
        }
        sync_cube();
        half /= 2;
    }
    let largest = shared[0];
    sync_cube();
    largest
}
