//! How many weights a round removes, and how a total is shared among tensors.

use crate::error::{Error, Result};

/// Number of weights that `rate` removes from `remaining`: `round(rate * remaining)` of Python,
/// which is also how PyTorch's pruning counts.
///
/// That is the f64 product, rounded half to even. It is not the product of exact reals: Python
/// says `round(0.1 * 5) == 0` although the f64 nearest to 0.1 lies a hair above it, and a count
/// that differed from Python's would break equality with every published mask.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn count_to_remove(remaining: u64, rate: f64) -> Result<u64> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(Error::mask(format!("rate must lie between 0 and 1, not {rate}")));
    }
    // `as f64` rounds half to even, as Python's int -> float does. Above 2^53 the product may
    // land one step beyond `remaining`, hence the min.
    Ok(((rate * remaining as f64).round_ties_even() as u64).min(remaining))
}

/// Shares `keep` among parts in proportion to `sizes`: floors first, what is left over to the
/// largest remainders, ties to the earlier part. The shares sum to `keep` exactly and none
/// exceeds its size.
pub(crate) fn apportion(keep: u64, sizes: &[u64]) -> Vec<u64> {
    let total: u128 = sizes.iter().map(|&size| u128::from(size)).sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let exact = |size: u64| u128::from(keep) * u128::from(size);
    let mut shares: Vec<u64> = sizes
        .iter()
        .map(|&size| u64::try_from(exact(size) / total).expect("a share is at most keep"))
        .collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&part| std::cmp::Reverse(exact(sizes[part]) % total));
    let left = keep - shares.iter().sum::<u64>();
    for &part in by_remainder.iter().take(usize::try_from(left).expect("fewer than parts")) {
        shares[part] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::{apportion, count_to_remove};

    #[test]
    fn rounds_half_to_even_as_python_does() {
        for (remaining, rate, expected) in [
            (5, 0.5, 2), // 2.5
            (7, 0.5, 4), // 3.5
            (5, 0.1, 0), // round(0.1 * 5) == 0
            (10, 0.2, 2),
            (0, 0.2, 0),
            (9, 1.0, 9),
            (9, 0.0, 0),
            (u64::MAX, 1.0, u64::MAX),
        ] {
            assert_eq!(count_to_remove(remaining, rate).unwrap(), expected, "{remaining} {rate}");
        }
    }

    #[test]
    fn twenty_rounds_of_a_fifth_reach_the_published_sparsities() {
        let total = 1_000_000;
        let mut remaining = total;
        let mut kept = vec![total];
        for _ in 0..20 {
            remaining -= count_to_remove(remaining, 0.2).unwrap();
            kept.push(remaining);
        }
        // 0.8^6 = 0.262144, 0.8^10 = 0.1073741824, 0.8^20 = 0.0115292
        assert_eq!((kept[6], kept[10], kept[20]), (262_144, 107_374, 11_529));
    }

    #[test]
    fn refuses_rates_outside_the_unit_interval() {
        for rate in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(count_to_remove(10, rate).is_err());
        }
    }

    #[test]
    fn shares_sum_to_the_total() {
        // 5 of (4, 4, 2): exact shares 2, 2, 1.
        assert_eq!(apportion(5, &[4, 4, 2]), [2, 2, 1]);
        // 3 of (3, 3, 1): exact 9/7, 9/7, 3/7 -> floors 1, 1, 0; the third has remainder 3/7.
        assert_eq!(apportion(3, &[3, 3, 1]), [1, 1, 1]);
        // 1 of (2, 2): both remainders 1/2, the earlier one gets it.
        assert_eq!(apportion(1, &[2, 2]), [1, 0]);
        assert_eq!(apportion(0, &[0, 0]), [0, 0]);
        assert_eq!(apportion(6, &[0, 6]), [0, 6]);
    }
}
