//! Every instruction set, thread count and source gives the same bits; nor do hostile weights
//! make another answer.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::cast_possible_truncation)]
#![allow(clippy::cast_possible_wrap)]

use std::num::NonZeroUsize;

use dwlt_core::masks::MaskSet;
use dwlt_core::select::{
    Dtype, Fetch, Keep, Options, Scope, Simd, Tensor, Values, Weights, magnitude,
    magnitude_anywhere, random,
};
use half::{bf16, f16};

/// Enough for several chunks, and for a sample to be drawn.
const LEN: usize = 700_001;

/// Numbers in no order, the same ones each time.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |i: u64| {
        let mut z = (i ^ seed << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 27)
    })
}

/// About normal: the sum of some uniform numbers.
fn normal(len: usize) -> Vec<f32> {
    let uniform = |x: u64| (0..8).map(|i| (x >> (i * 8) & 255) as f32).sum::<f32>() - 1020.0;
    let fine = numbers(9).map(|x| (x >> 40) as f32 * 1e-8);
    numbers(1).map(uniform).zip(fine).map(|(x, y)| x / 200.0 + y).take(len).collect()
}

/// The keep largest by sorting everything: for one tensor.
fn naive(values: &[f32], keep: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b)));
    let mut kept = vec![false; values.len()];
    for &i in &order[..keep] {
        kept[i] = true;
    }
    kept
}

fn bools(set: &MaskSet) -> Vec<bool> {
    let mask = set.get("w").unwrap();
    let mut out = vec![false; mask.bits().len()];
    mask.bits().unpack(&mut out);
    out
}

fn select(values: Values<'_>, keep: u64, options: Options<'_>) -> MaskSet {
    let shape = [values.len()];
    magnitude(&[Tensor { name: "w", shape: &shape, values }], keep, options).unwrap()
}

/// Weights that have slowed or fooled selections elsewhere.
fn hostile() -> Vec<(&'static str, Vec<f32>)> {
    let normal = normal(LEN);
    let mut sorted = normal.clone();
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let falling = sorted.iter().rev().copied().collect();
    let two = numbers(2).map(|x| if x & 1 == 0 { 0.5 } else { -1.0 }).take(LEN).collect();
    let three = numbers(3).map(|x| [0.0, 1.0, 2.0][(x % 3) as usize]).take(LEN).collect();
    let zeros = numbers(4).map(|x| if x % 1000 == 0 { 1.5 } else { -0.0 }).take(LEN).collect();
    let tiny = numbers(5).map(|x| f32::from_bits((x % (1 << 23)) as u32)).take(LEN).collect();
    let scales = |(i, x): (usize, &f32)| x * 10_f32.powi((i / 40_000) as i32 * 4 - 36);
    let scaled = normal.iter().enumerate().map(scales).collect();
    let bits = numbers(6).map(|x| f32::from_bits(x as u32));
    let any = bits.filter(|x| !x.is_nan()).take(LEN).collect();
    let heavy = normal.iter().map(|&x| if x.abs() < 0.5 { 0.25 } else { x }).collect();
    let early = (0..LEN).map(|i| if i % 4096 == 0 { 100.0 + i as f32 } else { 1.0 }).collect();
    vec![
        ("normal", normal),
        ("sorted", sorted),
        ("falling", falling),
        ("constant", vec![0.25; LEN]),
        ("two values", two),
        ("three values", three),
        ("zeros", zeros),
        ("denormal", tiny),
        ("scales", scaled),
        ("any bits", any),
        ("a heavy tie", heavy),
        ("early", early),
    ]
}

#[test]
fn hostile_weights_are_selected_as_a_sort_does() {
    for (name, values) in hostile() {
        for keep in [0, 1, LEN / 1000, LEN / 3, LEN / 2, LEN * 4 / 5, LEN - 1, LEN] {
            let set = select(Values::F32(&values), keep as u64, Options::default());
            assert!(bools(&set) == naive(&values, keep), "{name}, keep {keep}");
        }
    }
}

#[test]
fn all_instruction_sets_and_thread_counts_agree_in_every_type() {
    let within = {
        let kept: Vec<bool> = numbers(8).map(|x| x % 10 < 3).take(LEN).collect();
        let bits = dwlt_core::masks::Bits::from_bools(&kept);
        let mask = dwlt_core::masks::Mask::new(vec![LEN], bits).unwrap();
        MaskSet::new(vec![("w".to_owned(), mask)]).unwrap()
    };
    for (name, singles) in hostile() {
        let doubles: Vec<f64> = singles.iter().map(|&x| f64::from(x) * 1.000_000_001).collect();
        let halves: Vec<f16> = singles.iter().map(|&x| f16::from_f32(x)).collect();
        let brains: Vec<bf16> = singles.iter().map(|&x| bf16::from_f32(x)).collect();
        for values in [
            Values::F64(&doubles),
            Values::F32(&singles),
            Values::F16(&halves),
            Values::Bf16(&brains),
        ] {
            for set in [None, Some(&within)] {
                let keep = set.map_or(LEN as u64, MaskSet::kept) * 7 / 10;
                let with = |simd, threads| {
                    let threads = NonZeroUsize::new(threads);
                    let options =
                        Options { within: set, simd: Some(simd), threads, ..Options::default() };
                    select(values, keep, options)
                };
                let expected = with(Simd::Scalar, 1);
                assert_eq!(expected.kept(), keep);
                for simd in Simd::available() {
                    for threads in [1, 3] {
                        let same = with(simd, threads) == expected;
                        assert!(same, "{name}, {simd:?}, {threads} threads, {:?}", values.dtype());
                    }
                }
            }
        }
    }
}

#[test]
fn tensors_of_different_types_agree_with_one_type() {
    let values = normal(300_000);
    let brains: Vec<bf16> = values.iter().map(|&x| bf16::from_f32(x)).collect();
    let back: Vec<f32> = brains.iter().map(|x| x.to_f32()).collect();
    let mixed = |second| {
        let tensors = [
            Tensor { name: "v", shape: &[300_000], values: Values::F32(&values) },
            Tensor { name: "w", shape: &[300_000], values: second },
        ];
        magnitude(&tensors, 400_000, Options::default()).unwrap()
    };
    assert!(mixed(Values::Bf16(&brains)) == mixed(Values::F32(&back)));
}

#[test]
fn random_masks_do_not_hang_on_threads_or_instruction_set() {
    let shapes: [(&str, &[usize]); 2] = [("v", &[LEN]), ("w", &[3, 1000])];
    let with = |simd, threads| {
        let threads = NonZeroUsize::new(threads);
        let options = Options { simd: Some(simd), threads, ..Options::default() };
        random(&shapes, 100_000, 7, options).unwrap()
    };
    let expected = with(Simd::Scalar, 1);
    assert_eq!(expected.kept(), 100_000);
    for simd in Simd::available() {
        assert!(with(simd, 3) == expected, "{simd:?}");
    }
    // 100,000 of 703,001: of 3000 weights about 427, standard error 19.
    let few = expected.get("w").unwrap().kept();
    assert!((330..524).contains(&few), "{few}");
}

#[test]
fn given_counts_are_kept_of_each_tensor() {
    let values = normal(1000);
    let tensors = [
        Tensor { name: "v", shape: &[1000], values: Values::F32(&values) },
        Tensor { name: "w", shape: &[1000], values: Values::F32(&values) },
    ];
    let keep = Keep::Each(&[0, 17]);
    let set = magnitude(&tensors, keep, Options::default()).unwrap();
    assert_eq!((set.get("v").unwrap().kept(), set.get("w").unwrap().kept()), (0, 17));
    assert_eq!(bools(&set), naive(&values, 17));
    let options = Options { scope: Scope::Tensor, ..Options::default() };
    assert_eq!(magnitude(&tensors, 100, options).unwrap().get("v").unwrap().kept(), 50);
    for (counts, said) in [
        (&[1_u64][..], "1 counts for 2 tensors"),
        (&[0, 1001], "w: cannot keep 1001 of 1000 weights"),
    ] {
        let error = magnitude(&tensors, Keep::Each(counts), Options::default()).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
}

#[test]
fn nan_is_found_whatever_the_bracket_says() {
    for place in [0, 262_144, LEN - 1] {
        let mut values = normal(LEN);
        values[place] = f32::NAN;
        values[LEN - 1] = f32::NAN;
        let tensors = [Tensor { name: "w", shape: &[LEN], values: Values::F32(&values) }];
        for simd in Simd::available() {
            for keep in [0, 1, LEN as u64 / 2, LEN as u64] {
                let options = Options { simd: Some(simd), ..Options::default() };
                let error = magnitude(&tensors, keep, options).unwrap_err();
                assert_eq!(error.to_string(), format!("w: weight {place} is NaN"));
            }
        }
    }
}

/// Weights that are given out piece by piece.
#[derive(Debug)]
struct Far(Vec<f32>);

impl Fetch for Far {
    fn fetch(&self, start: usize, bytes: &mut [u8]) -> dwlt_core::error::Result<()> {
        for (slot, value) in bytes.chunks_mut(4).zip(&self.0[start..]) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }
}

#[test]
fn weights_elsewhere_are_selected_as_if_here() {
    for (name, values) in hostile() {
        let keep = LEN as u64 * 3 / 5;
        let here = select(Values::F32(&values), keep, Options::default());
        let far = Far(values);
        let weights =
            [Weights::Elsewhere { name: "w", shape: &[LEN], dtype: Dtype::F32, fetch: &far }];
        assert!(magnitude_anywhere(&weights, keep, Options::default()).unwrap() == here, "{name}");
    }
}
