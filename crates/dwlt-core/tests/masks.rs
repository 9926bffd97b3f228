//! Mask sets: operations, overlap, lineage, digest.
#![allow(clippy::unwrap_used)]

use dwlt_core::masks::{Bits, Mask, MaskSet, Op};
use proptest::prelude::*;

fn set(masks: &[(&str, &[bool])]) -> MaskSet {
    let masks = masks.iter().map(|(name, bits)| {
        (name.to_string(), Mask::new(vec![bits.len()], Bits::from_bools(bits)).unwrap())
    });
    MaskSet::new(masks.collect()).unwrap()
}

const T: bool = true;
const F: bool = false;

#[test]
fn operations_work_bit_by_bit() {
    let (a, b) = (set(&[("w", &[T, T, F, F])]), set(&[("w", &[T, F, T, F])]));
    for (op, expected) in [
        (Op::And, [T, F, F, F]),
        (Op::Or, [T, T, T, F]),
        (Op::Minus, [F, T, F, F]),
        (Op::Xor, [F, T, T, F]),
    ] {
        assert_eq!(a.combine(&b, op).unwrap(), set(&[("w", &expected)]), "{op:?}");
    }
}

#[test]
fn overlap_is_counted_per_tensor_and_in_all() {
    let a = set(&[("v", &[T, T, F, F]), ("w", &[T, F])]);
    let b = set(&[("w", &[F, T]), ("v", &[T, F, T, F])]);
    let each = a.overlaps(&b).unwrap();
    let counts: Vec<_> = each.iter().map(|(n, o)| (n.as_str(), o.both, o.left, o.right)).collect();
    assert_eq!(counts, [("v", 1, 2, 2), ("w", 0, 1, 1)]);
    let all = a.overlap(&b).unwrap();
    assert_eq!((all.both, all.left, all.right, all.total), (1, 3, 3, 6));
    assert_eq!(all.iou(), Some(0.2)); // 1 of 5
    assert_eq!(all.lift(), Some(1.0 / 1.5)); // chance expects 3 * 3 / 6
    let nothing = set(&[("w", &[F])]);
    let overlap = nothing.overlap(&nothing).unwrap();
    assert_eq!((overlap.iou(), overlap.lift()), (None, None));
}

#[test]
fn a_revived_weight_is_named() {
    let mut bits = [F; 100];
    let parent = set(&[("w", &bits)]);
    bits[70] = T;
    let child = set(&[("w", &bits)]);
    assert!(parent.check_lineage(&child).is_ok());
    assert!(!child.is_subset(&parent).unwrap());
    assert_eq!(
        child.check_lineage(&parent).unwrap_err().to_string(),
        "w: weight 70 is kept although the previous round had removed it"
    );
}

#[test]
fn sets_that_do_not_fit_name_the_tensor() {
    let a = set(&[("v", &[T]), ("w", &[T, F])]);
    for (b, said) in [
        (set(&[("w", &[T, F])]), "v: in the first mask set, not in the second"),
        (set(&[("v", &[T]), ("w", &[T])]), "w: shape [2] in the first mask set, [1] in the second"),
        (
            set(&[("v", &[T]), ("w", &[T, F]), ("x", &[T])]),
            "x: in the second mask set, not in the first",
        ),
    ] {
        assert_eq!(a.combine(&b, Op::And).unwrap_err().to_string(), said);
    }
}

#[test]
fn shapes_must_fit_and_names_may_not_repeat() {
    assert!(Mask::new(vec![2, 2], Bits::ones(3)).is_err());
    assert!(Mask::dense(vec![usize::MAX, 2]).is_err());
    let twice = vec![("w".to_owned(), vec![1]), ("w".to_owned(), vec![1])];
    assert_eq!(MaskSet::dense(twice).unwrap_err().to_string(), "two masks are named \"w\"");
}

#[test]
fn order_takes_no_part_in_equality_or_digest_but_shape_does() {
    let a = set(&[("v", &[T]), ("w", &[T, F])]);
    let b = set(&[("w", &[T, F]), ("v", &[T])]);
    assert_eq!(a, b);
    assert_eq!(a.digest(), b.digest());
    let flat = MaskSet::dense(vec![("w".to_owned(), vec![4])]).unwrap();
    let square = MaskSet::dense(vec![("w".to_owned(), vec![2, 2])]).unwrap();
    assert_ne!(flat, square);
    assert_ne!(flat.digest(), square.digest());
}

#[test]
fn the_digest_of_a_set_is_pinned() {
    // Digests are stored in mask files; another value here is a new format version.
    let a = set(&[("v", &[T]), ("w", &[T, F])]);
    assert_eq!(a.digest(), "b3:d9793b77f0f510f2e79caf6d425abacd8e6f6aabed429a9be3bbda9097cbc07d");
}

proptest! {
    #[test]
    fn operations_obey_their_laws(
        pairs in prop::collection::vec((any::<bool>(), any::<bool>()), 0..200),
    ) {
        let (a, b): (Vec<bool>, Vec<bool>) = pairs.into_iter().unzip();
        let (a, b) = (set(&[("w", &a)]), set(&[("w", &b)]));
        let op = |op| a.combine(&b, op).unwrap();
        let (and, or, minus, xor) = (op(Op::And), op(Op::Or), op(Op::Minus), op(Op::Xor));
        prop_assert_eq!(and.kept() + or.kept(), a.kept() + b.kept());
        prop_assert_eq!(and.kept() + minus.kept(), a.kept());
        prop_assert_eq!(&or.combine(&and, Op::Minus).unwrap(), &xor);
        prop_assert!(and.is_subset(&a).unwrap() && a.is_subset(&or).unwrap());
        prop_assert_eq!(a.is_subset(&b).unwrap(), minus.kept() == 0);
        prop_assert_eq!(a.overlap(&b).unwrap().both, and.kept());
        prop_assert_eq!(a == b, a.digest() == b.digest());
    }
}
