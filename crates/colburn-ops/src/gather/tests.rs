//! The kernel against its twin.

use burn::tensor::Tensor;

use super::{composed, flex};
use crate::seed::mix;
use crate::testing::{agree, random, same_on_any_threads};

fn ids(count: usize, rows: usize) -> Vec<u32> {
    (0..count as u64).map(|place| (mix(3, place) % rows as u64) as u32).collect()
}

#[test]
fn agrees_with_its_twin() {
    for (rows, width, count) in [(1, 1, 1), (3, 5, 1), (7, 17, 40), (500, 384, 300), (40_000, 3, 5000)] {
        let table = random([rows, width], 1);
        let ids = ids(count, rows);
        for frozen in [None, Some(ids[0]), Some(rows as u32)] {
            let kernel = |[table]: [Tensor<2>; 1]| flex::gather(table, &ids, frozen);
            agree([table.clone()], kernel, |[table]| composed::gather(table, &ids, frozen), 1e-6);
        }
    }
}

#[test]
fn no_ids_give_no_rows_and_no_gradient() {
    let table = random([4, 3], 1).autodiff().require_grad();
    let rows = flex::gather(table.clone(), &[], None);
    assert_eq!(rows.dims(), [0, 3]);
    let gradient = table.grad(&rows.sum().backward()).unwrap();
    assert_eq!(gradient.into_data().try_to_vec::<f32>().unwrap(), [0.0; 12]);
}

#[test]
fn is_the_same_on_any_number_of_threads() {
    let ids = ids(5000, 200);
    same_on_any_threads([random([200, 384], 1)], |[table]| flex::gather(table, &ids, None));
}
