//! Points whose attributes become the same labels, as `200` and `"200"` do, added up: a series may occur once only.

use std::borrow::Cow;
use std::collections::HashMap;

use super::labels::labels;
use crate::model::{Exemplar, HistogramPoint, Number, NumberPoint};

/// A number with the labels of its series as text.
pub(super) struct LabelledNumber<'p> {
    pub(super) labels: String,
    pub(super) value: Number,
    pub(super) exemplars: Cow<'p, [Exemplar]>,
}

/// The points of a sum by their labels.
pub(super) fn sums<'p>(points: &'p [NumberPoint], reserved: &[&str]) -> Vec<LabelledNumber<'p>> {
    let groups = groups(points.iter(), |point| labels(&point.attributes, reserved));
    let of_group = |(labels, first, others): (String, &'p NumberPoint, Vec<&'p NumberPoint>)| {
        let mut exemplars = Cow::Borrowed(&*first.exemplars);
        others.iter().for_each(|it| exemplars.to_mut().extend_from_slice(&it.exemplars));
        let value = others.iter().fold(first.value, |sum, it| added(sum, it.value));
        LabelledNumber { labels, value, exemplars }
    };
    groups.into_iter().map(of_group).collect()
}

/// The points of a gauge by their labels: the first of each, because values of a gauge have no sum.
pub(super) fn firsts(points: &[NumberPoint], reserved: &[&str]) -> Vec<(String, Number)> {
    let groups = groups(points.iter(), |point| labels(&point.attributes, reserved));
    groups.into_iter().map(|(labels, first, _)| (labels, first.value)).collect()
}

/// The points of a histogram by their labels.
pub(super) fn histograms<'p>(
    points: impl Iterator<Item = Cow<'p, HistogramPoint>>,
    reserved: &[&str],
) -> Vec<(String, Cow<'p, HistogramPoint>)> {
    let groups = groups(points, |point| labels(point.attributes(), reserved));
    let sum = |sum: Cow<'p, HistogramPoint>, it: Cow<'p, HistogramPoint>| {
        Cow::Owned(added_histograms(&sum, &it))
    };
    let of_group = |(labels, first, others): (String, Cow<'p, HistogramPoint>, Vec<_>)| {
        (labels, others.into_iter().fold(first, sum))
    };
    groups.into_iter().map(of_group).collect()
}

/// The points with the same labels, in the order of the first of each.
fn groups<P>(
    points: impl Iterator<Item = P>,
    labels_of: impl Fn(&P) -> String,
) -> Vec<(String, P, Vec<P>)> {
    let (mut places, mut groups) = (HashMap::new(), Vec::<(String, P, Vec<P>)>::new());
    for point in points {
        let labels = labels_of(&point);
        let place = *places.entry(labels.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, _, others)) => others.push(point),
            None => groups.push((labels, point, Vec::new())),
        }
    }
    groups
}

fn added(one: Number, other: Number) -> Number {
    match (one, other) {
        (Number::I64(one), Number::I64(other)) => Number::I64(one.saturating_add(other)),
        (one, other) => Number::F64(one.as_f64() + other.as_f64()),
    }
}

/// The histogram of all values of both, with the bounds of both.
fn added_histograms(one: &HistogramPoint, other: &HistogramPoint) -> HistogramPoint {
    let mut bounds = [one.bounds(), other.bounds()].concat();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let mut counts = vec![0_u64; bounds.len() + 1];
    for point in [one, other] {
        let upper = point.bounds().iter().copied().chain([f64::INFINITY]);
        for (bound, count) in upper.zip(point.bucket_counts()) {
            if let Some(sum) = counts.get_mut(bounds.partition_point(|it| *it < bound)) {
                *sum = sum.saturating_add(*count);
            }
        }
    }
    HistogramPoint::new(bounds, counts, one.sum() + other.sum())
        .with_exemplars([one.exemplars(), other.exemplars()].concat())
}
