//! Which weights are kept: cases worked out by hand, and laws against a sort of everything.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;

use dwlt_core::masks::{Bits, Mask, MaskSet};
use dwlt_core::select::{Options, Scope, Tensor, Values, magnitude};
use half::{bf16, f16};
use proptest::prelude::*;

fn f32s<'a>(name: &'a str, shape: &'a [usize], values: &'a [f32]) -> Tensor<'a> {
    Tensor { name, shape, values: Values::F32(values) }
}

fn bools(set: &MaskSet, name: &str) -> Vec<bool> {
    let bits = set.get(name).unwrap().bits();
    let mut out = vec![false; bits.len()];
    bits.unpack(&mut out);
    out
}

fn kept_places(set: &MaskSet, name: &str) -> Vec<usize> {
    bools(set, name).iter().enumerate().filter(|(_, kept)| **kept).map(|(i, _)| i).collect()
}

fn mask_set(name: &str, bits: &[bool]) -> MaskSet {
    let mask = Mask::new(vec![bits.len()], Bits::from_bools(bits)).unwrap();
    MaskSet::new(vec![(name.to_owned(), mask)]).unwrap()
}

fn message(result: dwlt_core::Result<MaskSet>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn the_largest_magnitudes_of_all_tensors_are_kept() {
    let (a, b) = ([1.0, -4.0, 0.5, 3.0], [-2.0, 0.25]);
    let tensors = [f32s("a", &[2, 2], &a), f32s("b", &[2], &b)];
    // By magnitude: 4 (a1), 3 (a3), 2 (b0), 1 (a0), 0.5 (a2), 0.25 (b1).
    for (keep, in_a, in_b) in [
        (0, vec![], vec![]),
        (1, vec![1], vec![]),
        (3, vec![1, 3], vec![0]),
        (5, vec![0, 1, 2, 3], vec![0]),
        (6, vec![0, 1, 2, 3], vec![0, 1]),
    ] {
        let set = magnitude(&tensors, keep, Options::default()).unwrap();
        assert_eq!((kept_places(&set, "a"), kept_places(&set, "b")), (in_a, in_b), "keep {keep}");
        assert_eq!((set.kept(), set.total()), (keep, 6));
    }
}

#[test]
fn ties_go_to_the_earlier_tensor_and_index() {
    let (a, b) = ([1.0, -1.0, 2.0], [1.0, 1.0]);
    let tensors = [f32s("a", &[3], &a), f32s("b", &[2], &b)];
    let set = magnitude(&tensors, 4, Options::default()).unwrap();
    assert_eq!((kept_places(&set, "a"), kept_places(&set, "b")), (vec![0, 1, 2], vec![0]));
    let swapped = [tensors[1], tensors[0]];
    let set = magnitude(&swapped, 4, Options::default()).unwrap();
    assert_eq!((kept_places(&set, "a"), kept_places(&set, "b")), (vec![0, 2], vec![0, 1]));
}

#[test]
fn zeros_of_both_signs_are_equal_and_denormals_are_not_zero() {
    let values = [-0.0, 0.0, f32::from_bits(1), -0.0];
    let tensors = [f32s("a", &[4], &values)];
    let set = magnitude(&tensors, 2, Options::default()).unwrap();
    assert_eq!(kept_places(&set, "a"), [0, 2]);
}

#[test]
fn infinities_are_largest() {
    let values = [f32::MAX, f32::NEG_INFINITY, 1.0, f32::INFINITY];
    let set = magnitude(&[f32s("a", &[4], &values)], 2, Options::default()).unwrap();
    assert_eq!(kept_places(&set, "a"), [1, 3]);
}

#[test]
fn all_equal_weights_keep_the_first_ones_across_chunks() {
    let values = vec![0.5_f32; 600_000];
    let tensors = [f32s("a", &[600_000], &values)];
    let set = magnitude(&tensors, 300_001, Options::default()).unwrap();
    assert_eq!(kept_places(&set, "a"), (0..300_001).collect::<Vec<_>>());
}

#[test]
fn nan_is_refused_with_tensor_and_first_index() {
    let (a, mut b) = (vec![1.0_f32; 10], vec![1.0_f32; 700_000]);
    b[699_999] = f32::NAN;
    b[300_000] = -f32::NAN;
    let tensors = [f32s("a", &[10], &a), f32s("b", &[700_000], &b)];
    for keep in [0, 5, 700_010] {
        let said = message(magnitude(&tensors, keep, Options::default()));
        assert_eq!(said, "b: weight 300000 is NaN", "keep {keep}");
    }
}

#[test]
fn element_types_are_compared_by_value() {
    let doubles = [1.5, -1e-320, 1e300];
    let singles = [1.25_f32, 1e-40];
    let halves = [f16::from_f32(-1.375), f16::from_f32(6e-8)];
    let brains = [bf16::from_f32(1.4375), bf16::from_f32(-1e-39)];
    let tensors = [
        Tensor { name: "f64", shape: &[3], values: Values::F64(&doubles) },
        Tensor { name: "f32", shape: &[2], values: Values::F32(&singles) },
        Tensor { name: "f16", shape: &[2], values: Values::F16(&halves) },
        Tensor { name: "bf16", shape: &[2], values: Values::Bf16(&brains) },
    ];
    // 1e300, 1.5, 1.4375 (bf16), 1.375 (f16), 1.25 (f32), 6e-8 (f16), 1e-39 (bf16) > 1e-40 (f32)
    // > 1e-320 (f64).
    let order = [("f64", 2), ("f64", 0), ("bf16", 0), ("f16", 0), ("f32", 0), ("f16", 1)];
    let order: Vec<_> = order.into_iter().chain([("bf16", 1), ("f32", 1), ("f64", 1)]).collect();
    for keep in 0..=order.len() {
        let set = magnitude(&tensors, keep as u64, Options::default()).unwrap();
        for (rank, (name, place)) in order.iter().enumerate() {
            assert_eq!(bools(&set, name)[*place], rank < keep, "keep {keep}, {name}[{place}]");
        }
    }
}

#[test]
fn only_weights_of_the_mask_set_compete() {
    let values = [9.0, f32::NAN, 1.0, 8.0, 2.0];
    let tensors = [f32s("a", &[5], &values)];
    let within = mask_set("a", &[true, false, true, false, true]);
    let options = Options { within: Some(&within), ..Options::default() };
    assert_eq!(kept_places(&magnitude(&tensors, 2, options).unwrap(), "a"), [0, 4]);
    assert_eq!(magnitude(&tensors, 3, options).unwrap(), within);
    assert_eq!(
        message(magnitude(&tensors, 4, options)),
        "cannot keep 4 of 3 weights kept by the mask set"
    );
}

#[test]
fn each_tensor_keeps_its_share_in_scope_tensor() {
    let (a, b) = ([5.0, 6.0, 7.0, 8.0], [1.0, 2.0]);
    let tensors = [f32s("a", &[4], &a), f32s("b", &[2], &b)];
    let options = Options { scope: Scope::Tensor, ..Options::default() };
    let set = magnitude(&tensors, 3, options).unwrap();
    assert_eq!((kept_places(&set, "a"), kept_places(&set, "b")), (vec![2, 3], vec![1]));
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let values = [1.0, 2.0];
    let good = f32s("a", &[2], &values);
    let set = mask_set("a", &[true, true]);
    let within = Options { within: Some(&set), ..Options::default() };
    let dense = Options::default();
    for (tensors, options, said) in [
        (vec![good, good], dense, "two tensors are named \"a\""),
        (vec![f32s("a", &[3], &values)], dense, "a: 2 weights do not fill shape [3]"),
        (vec![f32s("b", &[2], &values)], within, "b: the mask set has no such mask"),
        (vec![f32s("a", &[1, 2], &values)], within, "a: shape [1, 2], but its mask has shape [2]"),
        (vec![], within, "a: the mask set has it, but no such tensor is given"),
        (vec![good], dense, "cannot keep 3 of 2 weights"),
    ] {
        assert_eq!(
            message(magnitude(&tensors, if said.contains('3') { 3 } else { 0 }, options)),
            said
        );
    }
}

#[test]
fn scalars_and_empty_tensors_are_fine() {
    let tensors = [f32s("scalar", &[], &[1.0]), f32s("empty", &[0, 3], &[])];
    let set = magnitude(&tensors, 1, Options::default()).unwrap();
    assert_eq!((set.kept(), set.total(), set.len()), (1, 1, 2));
    assert_eq!(magnitude(&[], 0, Options::default()).unwrap().total(), 0);
}

/// The definition: sort everything by falling magnitude, then tensor, then index.
fn naive(tensors: &[Vec<f64>], within: &[Vec<bool>], keep: usize) -> Vec<Vec<bool>> {
    let mut all = Vec::new();
    for (t, values) in tensors.iter().enumerate() {
        for (i, value) in values.iter().enumerate().filter(|(i, _)| within[t][*i]) {
            all.push((value.abs(), t, i));
        }
    }
    all.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let mut kept: Vec<Vec<bool>> = tensors.iter().map(|v| vec![false; v.len()]).collect();
    for (_, t, i) in all.into_iter().take(keep) {
        kept[t][i] = true;
    }
    kept
}

/// One tensor's weights in one of the four element types.
#[derive(Debug, Clone)]
enum Owned {
    F64(Vec<f64>),
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Owned {
    fn view(&self) -> Values<'_> {
        match self {
            Self::F64(v) => Values::F64(v),
            Self::F32(v) => Values::F32(v),
            Self::F16(v) => Values::F16(v),
            Self::Bf16(v) => Values::Bf16(v),
        }
    }

    fn doubles(&self) -> Vec<f64> {
        match self {
            Self::F64(v) => v.clone(),
            Self::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Self::Bf16(v) => v.iter().map(|x| x.to_f64()).collect(),
        }
    }
}

/// Any bits that are not NaN, with many ties: half of the values come from a few.
fn weights(kinds: std::ops::Range<u8>) -> impl Strategy<Value = Owned> {
    let few = prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.5, f64::INFINITY]);
    let any = any::<u64>().prop_map(f64::from_bits).prop_filter("NaN", |x| !x.is_nan());
    let near = -2.0..2.0_f64;
    let values = prop::collection::vec(prop_oneof![2 => few, 1 => any, 1 => near], 0..150);
    (values, kinds).prop_map(|(v, kind)| match kind {
        0 => Owned::F64(v),
        #[allow(clippy::cast_possible_truncation)]
        1 => Owned::F32(v.into_iter().map(|x| x as f32).collect()),
        2 => Owned::F16(v.into_iter().map(f16::from_f64).collect()),
        _ => Owned::Bf16(v.into_iter().map(bf16::from_f64).collect()),
    })
}

proptest! {
    #[test]
    fn selection_is_what_a_sort_of_everything_gives(
        owned in prop_oneof![
            prop::collection::vec(weights(0..4), 1..4),
            (0..4_u8).prop_flat_map(|kind| prop::collection::vec(weights(kind..kind + 1), 1..4)),
        ],
        mask_seed in any::<u64>(),
        masked in any::<bool>(),
        share in 0.0..=1.0_f64,
        threads in 1..4_usize,
    ) {
        let names: Vec<String> = (0..owned.len()).map(|i| format!("t{i}")).collect();
        let shapes: Vec<[usize; 1]> = owned.iter().map(|v| [v.view().len()]).collect();
        let tensors: Vec<Tensor<'_>> = (0..owned.len())
            .map(|i| Tensor { name: &names[i], shape: &shapes[i], values: owned[i].view() })
            .collect();
        let mut state = mask_seed | 1;
        let mut coin = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            !masked || state % 3 != 0
        };
        let within: Vec<Vec<bool>> =
            owned.iter().map(|v| (0..v.view().len()).map(|_| coin()).collect()).collect();
        let set = MaskSet::new(
            names.iter().zip(&within).map(|(name, bits)| {
                let mask = Mask::new(vec![bits.len()], Bits::from_bools(bits)).unwrap();
                (name.clone(), mask)
            }).collect(),
        ).unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let keep = (share * set.kept() as f64).round() as u64;
        let options = Options {
            within: masked.then_some(&set),
            threads: NonZeroUsize::new(threads),
            ..Options::default()
        };
        let selected = magnitude(&tensors, keep, options).unwrap();
        let doubles: Vec<_> = owned.iter().map(Owned::doubles).collect();
        let expected = naive(&doubles, &within, usize::try_from(keep).unwrap());
        prop_assert_eq!(selected.kept(), keep);
        prop_assert!(selected.is_subset(&set).unwrap());
        for (name, bits) in names.iter().zip(&expected) {
            prop_assert_eq!(&bools(&selected, name), bits);
        }
    }

    #[test]
    fn rounds_are_nested(values in prop::collection::vec(-1.0..1.0_f32, 1..300)) {
        let shape = [values.len()];
        let tensors = [f32s("a", &shape, &values)];
        let mut set = MaskSet::dense(vec![("a".to_owned(), shape.to_vec())]).unwrap();
        for _ in 0..5 {
            let keep = set.kept() - dwlt_core::count_to_remove(set.kept(), 0.2).unwrap();
            let options = Options { within: Some(&set), ..Options::default() };
            let next = magnitude(&tensors, keep, options).unwrap();
            prop_assert!(next.check_lineage(&set).is_ok());
            // On fixed weights, pruning in rounds is pruning at once.
            prop_assert_eq!(&next, &magnitude(&tensors, keep, Options::default()).unwrap());
            set = next;
        }
    }
}
