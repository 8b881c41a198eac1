//! Max-min fairness.

/// The max-min fair shares of `demands` in `total`: no share exceeds its demand, and raising a share
/// would lower another one that is not larger.
///
/// Use it to divide a target between processes by their
/// [`AdaptiveState::offered`](crate::AdaptiveState::offered).
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::max_min_shares;
///
/// assert_eq!(max_min_shares(&[5.0, 10.0, 100.0], 30.0), [5.0, 10.0, 15.0]);
/// ```
pub fn max_min_shares(demands: &[f64], total: f64) -> Vec<f64> {
    let level = level(&mut demands.to_vec(), total);
    demands.iter().map(|demand| demand.min(level)).collect()
}

/// The maximum share; infinite if `total` covers all demands. Sorts `demands`.
pub(super) fn level(demands: &mut [f64], total: f64) -> f64 {
    demands.sort_unstable_by(f64::total_cmp);
    let (mut left, mut sharers) = (total, demands.len());
    for &mut demand in demands {
        let equal = left / sharers as f64;
        if demand > equal {
            return equal;
        }
        left -= demand;
        sharers -= 1;
    }
    f64::INFINITY
}
