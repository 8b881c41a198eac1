//! Families: a histogram for each attribute set.

use super::cells::{ShardedCells, default_shards};
use super::error::RecorderError;
use super::exemplars::{ExemplarPlaces, ObservedSpan};
use super::exponential::{ExponentialHistogramRecorder, ExponentialHistogramRecorderBuilder};
use super::histogram::{HistogramRecorder, HistogramRecorderBuilder};
use super::key_table::KeyTable;
use super::sum::Sum;
use crate::model::{Exemplar, MetricData};

use spanwise_wire::Attribute;
use std::fmt;

/// A histogram for each key, which stands for an attribute set, up to a limit; all further keys share one more.
///
/// The caller hashes and compares its keys, so that a known key is found without making an owned one.
///
/// ```
/// use spanwise_metrics::{Attribute, HistogramFamilyRecorder, HistogramRecorder, MetricData};
/// use std::hash::{BuildHasher as _, RandomState};
///
/// let milliseconds = HistogramRecorder::builder().with_bounds([1.0, 10.0]).with_divisor(1_000_000);
/// let family = HistogramFamilyRecorder::<String>::explicit(milliseconds, 2)?;
/// let hashes = RandomState::new();
/// for route in ["/cart", "/pay", "/cart", "/other"] {
///     family.series(hashes.hash_one(route), |key| key == route, || route.to_owned()).record(5_000_000);
/// }
/// let data = family.data(|key| match key {
///     Some(key) => vec![Attribute::new("http.route", key.clone())],
///     None => vec![Attribute::new("otel.metric.overflow", true)],
/// });
/// let MetricData::Histogram(points) = data else { unreachable!() };
/// let mut counts: Vec<u64> = points.iter().map(|point| point.count()).collect();
/// counts.sort();
/// assert_eq!(counts, [1, 1, 2]);
/// # Ok::<(), spanwise_metrics::RecorderError>(())
/// ```
///
/// # Cost
/// A known key costs a probe of the table, the comparison, and what the recorder of one histogram costs. A new key allocates its
/// histogram, until the limit. No lock. With exemplars, the latest of four groups of buckets, each at most ten times a second.
pub struct HistogramFamilyRecorder<K> {
    table: KeyTable<Entry<K>>,
    overflow: Series,
    shape: Shape,
    shards: usize,
}

/// The histogram of one key.
#[derive(Clone, Copy)]
pub struct SeriesRecorder<'a> {
    shape: &'a Shape,
    series: &'a Series,
    id: SeriesId,
}

/// The number of a histogram in its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeriesId(u32);

struct Entry<K> {
    key: K,
    series: Series,
}

/// The counters of one histogram: those of its buckets, then the sum.
struct Series {
    cells: ShardedCells,
    sum: Sum,
    exemplars: ExemplarPlaces,
}

/// The buckets of all histograms, as a recorder without shards has them.
#[derive(Debug)]
enum Shape {
    Explicit(HistogramRecorder),
    Exponential(ExponentialHistogramRecorder),
}

/// The values of one histogram.
struct Collected<'a, K> {
    key: Option<&'a K>,
    hash: u64,
    counts: Vec<u64>,
    sum: f64,
    exemplars: Vec<Exemplar>,
}

impl<K> HistogramFamilyRecorder<K> {
    /// A family of at most `limit` histograms with explicit buckets, and one for all further keys.
    ///
    /// # Errors
    /// As [`HistogramRecorderBuilder::build`], and for a limit of 0 or more than 65,536.
    pub fn explicit(
        buckets: HistogramRecorderBuilder,
        limit: usize,
    ) -> Result<Self, RecorderError> {
        let (shards, exemplars) = (buckets.shards, buckets.with_exemplars);
        let shape = buckets.with_shards(0).with_exemplars(false).build()?;
        Self::new(Shape::Explicit(shape), limit, shards, exemplars)
    }

    /// A family of at most `limit` histograms with exponential buckets, and one for all further keys.
    ///
    /// # Errors
    /// As [`ExponentialHistogramRecorderBuilder::build`], and for a limit of 0 or more than 65,536.
    pub fn exponential(
        buckets: ExponentialHistogramRecorderBuilder,
        limit: usize,
    ) -> Result<Self, RecorderError> {
        let (shards, exemplars) = (buckets.shards, buckets.with_exemplars);
        let shape = buckets.with_shards(0).with_exemplars(false).build()?;
        Self::new(Shape::Exponential(shape), limit, shards, exemplars)
    }

    fn new(
        shape: Shape,
        limit: usize,
        shards: Option<usize>,
        with_exemplars: bool,
    ) -> Result<Self, RecorderError> {
        if limit == 0 || limit > KeyTable::<Entry<K>>::MAX_LIMIT {
            return Err(RecorderError::Series { limit });
        }
        let shards = shards.unwrap_or_else(default_shards);
        let exemplars = if with_exemplars { ExemplarPlaces::FEW } else { 0 };
        // This checks the number of shards.
        let cells = ShardedCells::new(shape.cells() + Sum::CELLS, Some(shards))?;
        let overflow = Series::of(&shape, cells, exemplars);
        Ok(Self { table: KeyTable::new(limit), overflow, shape, shards })
    }

    /// The histogram of a key: the one with this hash whose key `is_key` accepts, or a new one with the key that `make` makes. Once the
    /// limit is reached, it is the one for all further keys.
    #[inline]
    pub fn series(
        &self,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
        make: impl FnOnce() -> K,
    ) -> SeriesRecorder<'_> {
        let is_key = |entry: &Entry<K>| is_key(&entry.key);
        let found = self.table.find(hash, is_key);
        let found = found.or_else(|| {
            self.table.insert(hash, is_key, || Entry { key: make(), series: self.new_series() })
        });
        match found {
            Some((place, entry)) => self.recorder(&entry.series, place),
            None => self.recorder(&self.overflow, OVERFLOW),
        }
    }

    /// The histogram with this number; the one for all further keys, for a number of another family.
    #[inline]
    pub fn get(&self, id: SeriesId) -> SeriesRecorder<'_> {
        match self.table.get(id.0 as usize) {
            Some(entry) => self.recorder(&entry.series, id.0 as usize),
            None => self.recorder(&self.overflow, OVERFLOW),
        }
    }

    /// The histogram with this number if `is_key` accepts its key: for a caller whose last key is often the next one, without a hash.
    #[inline]
    pub fn get_if(
        &self,
        id: SeriesId,
        is_key: impl FnOnce(&K) -> bool,
    ) -> Option<SeriesRecorder<'_>> {
        let entry = self.table.get(id.0 as usize)?;
        is_key(&entry.key).then(|| self.recorder(&entry.series, id.0 as usize))
    }

    /// The key of the histogram with this number; `None` for the one of all further keys.
    pub fn key(&self, id: SeriesId) -> Option<&K> {
        self.table.get(id.0 as usize).map(|entry| &entry.key)
    }

    /// The points of all histograms with values; `attributes` returns those of a key, and for `None` those of all further keys.
    pub fn data(&self, mut attributes: impl FnMut(Option<&K>) -> Vec<Attribute>) -> MetricData
    where
        K: PartialEq,
    {
        let collected = self.collect();
        match &self.shape {
            Shape::Explicit(shape) => {
                let point = |it: Collected<'_, K>| {
                    let point = shape.point_of(it.counts, it.sum).with_exemplars(it.exemplars);
                    point.with_attributes(attributes(it.key))
                };
                MetricData::Histogram(collected.into_iter().map(point).collect())
            }
            Shape::Exponential(shape) => {
                let point = |it: Collected<'_, K>| {
                    let mut point = shape.point_of(it.counts, it.sum);
                    point.exemplars = it.exemplars;
                    point.with_attributes(attributes(it.key))
                };
                MetricData::ExponentialHistogram(collected.into_iter().map(point).collect())
            }
        }
    }

    /// The number of keys that have a histogram of their own.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key has a histogram.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of one histogram with its key, without what the key owns.
    pub fn series_bytes(&self) -> usize {
        self.overflow.cells.bytes() + self.overflow.exemplars.bytes() + size_of::<Entry<K>>()
    }

    /// Bytes of the table of a family with this limit, which is allocated at once.
    pub fn table_bytes(limit: usize) -> usize {
        KeyTable::<Entry<K>>::bytes_of(limit)
    }

    #[inline]
    fn recorder<'a>(&'a self, series: &'a Series, place: usize) -> SeriesRecorder<'a> {
        SeriesRecorder { shape: &self.shape, series, id: SeriesId(place as u32) }
    }

    fn new_series(&self) -> Series {
        // The number of shards was checked.
        let cells = ShardedCells::of(self.shape.cells() + Sum::CELLS, self.shards);
        Series::of(&self.shape, cells, self.overflow.exemplars.len())
    }

    fn collect(&self) -> Vec<Collected<'_, K>>
    where
        K: PartialEq,
    {
        let mut all: Vec<Collected<'_, K>> = Vec::with_capacity(self.len() + 1);
        let has_duplicates = self.table.has_duplicates();
        for (hash, entry) in self.table.entries() {
            let new = entry.series.collect(&self.shape, Some(&entry.key), hash);
            let same = |known: &&mut Collected<'_, K>| {
                has_duplicates && known.hash == hash && known.key == Some(&entry.key)
            };
            match all.iter_mut().find(same) {
                Some(known) => known.add(new),
                None => all.push(new),
            }
        }
        all.push(self.overflow.collect(&self.shape, None, 0));
        all.retain(|it| it.counts.iter().any(|count| *count > 0));
        all
    }
}

impl SeriesRecorder<'_> {
    /// Records a value in the recorded unit.
    #[inline]
    pub fn record(self, value: u64) {
        self.record_in(self.shape.cell(value), value);
    }

    /// Records a value in the recorded unit with the span during which it was observed, which becomes an exemplar.
    #[inline]
    pub fn record_with_span(self, value: u64, span: ObservedSpan) {
        let cell = self.shape.cell(value);
        self.record_in(cell, value);
        self.series.exemplars.put_after(cell, value, span, EXEMPLAR_INTERVAL_NANOS);
    }

    /// The number of the histogram, with which [`HistogramFamilyRecorder::get`] returns it.
    #[inline]
    pub fn id(self) -> SeriesId {
        self.id
    }

    #[inline]
    fn record_in(self, cell: usize, value: u64) {
        let shard = self.series.cells.shard();
        shard.add(cell, 1);
        self.series.sum.add(shard, value);
    }
}

impl Series {
    fn of(shape: &Shape, cells: ShardedCells, exemplars: usize) -> Self {
        Self { cells, sum: Sum::new(shape.cells()), exemplars: ExemplarPlaces::new(exemplars) }
    }

    fn collect<'a, K>(&self, shape: &Shape, key: Option<&'a K>, hash: u64) -> Collected<'a, K> {
        Collected {
            key,
            hash,
            counts: (0..shape.cells()).map(|cell| self.cells.sum(cell)).collect(),
            sum: self.sum.value(&self.cells, shape.divisor()),
            exemplars: self.exemplars.exemplars(shape.divisor()),
        }
    }
}

impl Shape {
    #[inline]
    fn cell(&self, value: u64) -> usize {
        match self {
            Self::Explicit(shape) => shape.bucket(value),
            Self::Exponential(shape) => shape.cell(value),
        }
    }

    fn cells(&self) -> usize {
        match self {
            Self::Explicit(shape) => shape.buckets(),
            Self::Exponential(shape) => shape.cells(),
        }
    }

    fn divisor(&self) -> f64 {
        match self {
            Self::Explicit(shape) => shape.divisor(),
            Self::Exponential(shape) => shape.divisor(),
        }
    }
}

impl<K> Collected<'_, K> {
    fn add(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.sum += other.sum;
        self.exemplars.extend(other.exemplars);
    }
}

impl<K> fmt::Debug for HistogramFamilyRecorder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramFamilyRecorder")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SeriesRecorder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeriesRecorder").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The place of the histogram for all further keys: no table has as many slots.
const OVERFLOW: usize = u32::MAX as usize;
/// The least time between two exemplars in one place.
const EXEMPLAR_INTERVAL_NANOS: u64 = 100_000_000;
