//! The kernel of CubeCL against its twin on flex.

use super::composed;
use crate::cube::testing::{agree, moved, values};
use crate::seed::mix;
use crate::testing::random;

#[test]
fn the_kernel_of_cube_agrees_with_its_twin() {
    for (rows, width, count) in
        [(1, 1, 1), (3, 5, 1), (7, 17, 40), (500, 384, 300), (3, 12, 1500), (40_000, 3, 5000), (1, 4, 64)]
    {
        let table = random([rows, width], 1);
        // Every third is of the first row, so that one has many.
        let id = |place: u64| if place.is_multiple_of(3) { 0 } else { (mix(3, place) % rows as u64) as u32 };
        let ids: Vec<u32> = (0..count).map(id).collect();
        for frozen in [None, Some(ids[0]), Some(rows as u32)] {
            agree(
                [table.clone()],
                |[table]| crate::gather(table, &ids, frozen),
                |[table]| composed::gather(table, &ids, frozen),
                1e-5,
            );
        }
    }
}

#[test]
fn no_ids_give_no_rows_and_no_gradient_on_cube() {
    let table = moved(random([4, 3], 1)).autodiff().require_grad();
    let rows = crate::gather(table.clone(), &[], None);
    assert_eq!(rows.dims(), [0, 3]);
    assert_eq!(values(table.grad(&rows.sum().backward()).unwrap()), [0.0; 12]);
}
