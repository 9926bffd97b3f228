//! Patterns such as 2:4, and LAMP scores: worked out by hand, and against plain code.
#![allow(clippy::unwrap_used)]

use dwlt_core::masks::{Bits, Mask, MaskSet};
use dwlt_core::select::{self, Options, Pattern, Tensor, Values, Weights};
use proptest::prelude::*;

fn f32s<'a>(name: &'a str, shape: &'a [usize], values: &'a [f32]) -> Weights<'a> {
    Weights::Here(Tensor { name, shape, values: Values::F32(values) })
}

fn bools(masks: &MaskSet, name: &str) -> Vec<bool> {
    let bits = masks.get(name).unwrap().bits();
    let mut out = vec![false; bits.len()];
    bits.unpack(&mut out);
    out
}

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn within(name: &str, shape: &[usize], kept: &[bool]) -> MaskSet {
    let mask = Mask::new(shape.to_vec(), Bits::from_bools(kept)).unwrap();
    MaskSet::new(vec![(name.to_owned(), mask)]).unwrap()
}

#[test]
fn two_of_four_along_a_row() {
    // Ties go to the earlier weight, and the sign does not count. Rows are apart.
    let values = [1.0, -3.0, 2.0, 0.5, 1.0, 1.0, -1.0, 1.0];
    let weights = [f32s("w", &[2, 4], &values)];
    let masks = select::structured(&weights, pattern("2:4"), Options::default()).unwrap();
    let (yes, no) = (true, false);
    assert_eq!(bools(&masks, "w"), [no, yes, yes, no, yes, yes, no, no]);
}

#[test]
fn a_convolutions_groups_lie_along_its_input_channels() {
    // One output, four inputs, two places of the kernel: groups are (0, 2, 4, 6) and (1, 3, 5, 7).
    let values = [9.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0];
    let weights = [f32s("w", &[1, 4, 1, 2], &values)];
    let masks = select::structured(&weights, pattern("2:4"), Options::default()).unwrap();
    let (yes, no) = (true, false);
    assert_eq!(bools(&masks, "w"), [yes, no, no, no, no, yes, yes, yes]);
}

#[test]
fn a_smaller_last_group_keeps_as_many_as_a_whole_one_may() {
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let weights = [f32s("w", &[7], &values)];
    let masks = select::structured(&weights, pattern("2:4"), Options::default()).unwrap();
    let (yes, no) = (true, false);
    assert_eq!(bools(&masks, "w"), [no, no, yes, yes, no, yes, yes]);
    // Depthwise: one input channel, so every weight is a group of its own.
    let depthwise = [f32s("w", &[7, 1], &values)];
    let masks = select::structured(&depthwise, pattern("2:4"), Options::default()).unwrap();
    assert_eq!(masks.kept(), 7);
}

#[test]
fn what_is_removed_does_not_come_back_whatever_it_holds() {
    let values = [9.0, 1.0, f32::NAN, 2.0];
    let parent = within("w", &[1, 4], &[false, true, false, true]);
    let weights = [f32s("w", &[1, 4], &values)];
    let options = Options { within: Some(&parent), ..Options::default() };
    let masks = select::structured(&weights, pattern("1:4"), options).unwrap();
    assert_eq!(bools(&masks, "w"), [false, false, false, true]);
    let error = select::structured(&weights, pattern("1:4"), Options::default()).unwrap_err();
    assert!(error.to_string().contains("w: weight 2 is NaN"), "{error}");
}

#[test]
fn patterns_that_are_none() {
    for text in ["", "2", "2:", "4:2", "2:2", "0:4", "1:65", "-1:4", "2:4:8", "two:four"] {
        assert!(text.parse::<Pattern>().is_err(), "{text}");
    }
    assert_eq!(pattern("2:4").to_string(), "2:4");
}

#[test]
fn lamp_scores_by_hand() {
    // Squares 16, 4, 1, 0.25 of one tensor; the others alone.
    let (first, second) = ([1.0, -2.0, 0.5, 4.0], [3.0]);
    let weights = [f32s("a", &[2, 2], &first), f32s("b", &[1], &second)];
    let scores = select::lamp_scores(&weights, Options::default()).unwrap();
    let expected = [1.0 / 21.0, 4.0 / 20.0, 0.25 / 21.25, 1.0];
    for (found, expected) in scores[0].iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    }
    assert_eq!(scores[1], [1.0]);
}

#[test]
fn lamp_scores_at_the_edges() {
    let equal = [2.0, 2.0, -2.0];
    let scores = select::lamp_scores(&[f32s("w", &[3], &equal)], Options::default()).unwrap();
    assert_eq!(scores[0], [1.0, 0.5, 1.0 / 3.0]);
    let zeros = [0.0, -0.0];
    let scores = select::lamp_scores(&[f32s("w", &[2], &zeros)], Options::default()).unwrap();
    assert_eq!(scores[0], [0.0, 0.0]);
    let large = [f64::MAX, f64::MAX / 2.0, 0.0];
    let large = Tensor { name: "w", shape: &[3], values: Values::F64(&large) };
    let scores = select::lamp_scores(&[Weights::Here(large)], Options::default()).unwrap();
    assert_eq!(scores[0], [1.0, 0.2, 0.0]);
    let endless = [1.0, f32::INFINITY];
    let scores = select::lamp_scores(&[f32s("w", &[2], &endless)], Options::default()).unwrap();
    assert_eq!(scores[0], [0.0, 1.0]);
    let error = select::lamp_scores(&[f32s("w", &[1], &[f32::NAN])], Options::default());
    assert!(error.unwrap_err().to_string().contains("w: weight 0 is NaN"));
}

/// What a pattern keeps, in the plainest way.
fn plainly(values: &[f32], shape: [usize; 3], kept: &[bool], n: usize, m: usize) -> Vec<bool> {
    let [rows, channels, inner] = shape;
    let mut out = vec![false; values.len()];
    for row in 0..rows {
        for place in 0..inner {
            for first in (0..channels).step_by(m) {
                let group = first..channels.min(first + m);
                let at = |channel: usize| (row * channels + channel) * inner + place;
                let mut left: Vec<usize> = group.map(at).filter(|&i| kept[i]).collect();
                left.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b)));
                left.iter().take(n).for_each(|&i| out[i] = true);
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_shape_and_pattern_as_plain_code_has_it(
        rows in 0_usize..140, channels in 0_usize..9, inner in 0_usize..4, n in 1_usize..4,
        more in 1_usize..4, seed in any::<u32>(), threads in 1_usize..3,
    ) {
        let (m, len) = (n + more, rows * channels * inner);
        let mixed = |i: usize| (u32::try_from(i).unwrap() ^ seed).wrapping_mul(2_654_435_761);
        let draw = |i: usize| mixed(i).to_be_bytes()[0];
        // Few different values, so that ties are common.
        let values: Vec<f32> = (0..len).map(|i| f32::from(draw(i) % 5) - 2.0).collect();
        let kept: Vec<bool> = (0..len).map(|i| draw(i + len) % 4 > 0).collect();
        let shape = [rows, channels, inner];
        let parent = within("w", &shape, &kept);
        let options = Options {
            within: Some(&parent),
            threads: std::num::NonZeroUsize::new(threads),
            ..Options::default()
        };
        let pattern = pattern(&format!("{n}:{m}"));
        let masks = select::structured(&[f32s("w", &shape, &values)], pattern, options).unwrap();
        prop_assert_eq!(bools(&masks, "w"), plainly(&values, shape, &kept, n, m));
    }
}
