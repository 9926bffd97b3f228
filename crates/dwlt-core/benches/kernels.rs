//! The kernels one by one: `cargo bench -p dwlt-core`. Whole selections against other tools are
//! timed by `make bench-masks`.
#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dwlt_core::masks::Bits;
use dwlt_core::select::{Options, Simd, Tensor, Values, magnitude, random};
use half::bf16;

const LEN: usize = 1 << 24;

/// Sums of uniform numbers, in no order.
fn weights() -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (0..4).map(|i| (state >> (i * 16) & 0xffff) as f32).sum::<f32>() / 65_536.0 - 2.0
    };
    (0..LEN).map(|_| next()).collect()
}

fn selection(criterion: &mut Criterion) {
    let singles = weights();
    let brains: Vec<bf16> = singles.iter().map(|&x| bf16::from_f32(x)).collect();
    let select = |values: Values<'_>, options: Options<'_>| {
        let tensors = [Tensor { name: "w", shape: &[LEN], values }];
        black_box(magnitude(&tensors, LEN as u64 * 4 / 5, options).unwrap())
    };
    let mut group = criterion.benchmark_group("select");
    group.throughput(Throughput::Elements(LEN as u64)).sample_size(20);
    for simd in Simd::available() {
        let options = Options { simd: Some(simd), ..Options::default() };
        for (name, values) in [("f32", Values::F32(&singles)), ("bf16", Values::Bf16(&brains))] {
            let id = BenchmarkId::new(name, format!("{simd:?}"));
            group.bench_function(id, |bencher| bencher.iter(|| select(values, options)));
        }
    }
    group.bench_function("random", |bencher| {
        bencher.iter(|| random(&[("w", &[LEN])], LEN as u64 / 2, 1, Options::default()).unwrap());
    });
    group.finish();
}

fn bits(criterion: &mut Criterion) {
    let bools: Vec<bool> = weights().iter().map(|x| x.abs() > 0.5).collect();
    let bits = Bits::from_bools(&bools);
    let mut out = bools.clone();
    let mut group = criterion.benchmark_group("bits");
    group.throughput(Throughput::Elements(LEN as u64));
    group.bench_function("pack", |bencher| bencher.iter(|| Bits::from_bools(black_box(&bools))));
    group.bench_function("unpack", |bencher| bencher.iter(|| bits.unpack(black_box(&mut out))));
    group.bench_function("count", |bencher| bencher.iter(|| black_box(&bits).count()));
    group.finish();
}

criterion_group!(kernels, selection, bits);
criterion_main!(kernels);
