//! Points and exemplars.

use spanwise_wire::write::{EncodeValue, put_bytes, put_message, put_varint};
use spanwise_wire::{Attribute, OwnedValue};

use crate::model::{
    Exemplar, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Number, NumberPoint,
};

/// The times of all points, in nanoseconds since the Unix epoch; 0 is unknown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Appends a `NumberDataPoint` to its list.
pub(super) fn put_number(out: &mut Vec<u8>, point: &NumberPoint, times: Times) {
    put_message(out, POINT, |out| {
        put_times(out, times);
        put_value(out, NUMBER, point.value);
        put_exemplars(out, 0x2a, &point.exemplars);
        put_attributes(out, 0x3a, &point.attributes);
    });
}

/// Appends a `HistogramDataPoint` to its list.
pub(super) fn put_histogram(out: &mut Vec<u8>, point: &HistogramPoint, times: Times) {
    put_message(out, POINT, |out| {
        put_times(out, times);
        put_unless_zero(out, COUNT, point.count().to_le_bytes());
        put_fixed(out, SUM, point.sum().to_le_bytes());
        put_message(out, 0x32, |out| {
            point
                .bucket_counts()
                .iter()
                .for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        });
        if !point.bounds().is_empty() {
            put_message(out, 0x3a, |out| {
                point.bounds().iter().for_each(|bound| out.extend_from_slice(&bound.to_le_bytes()));
            });
        }
        put_exemplars(out, 0x42, point.exemplars());
        put_attributes(out, 0x4a, point.attributes());
    });
}

/// Appends an `ExponentialHistogramDataPoint` to its list.
pub(super) fn put_exponential(out: &mut Vec<u8>, point: &ExponentialHistogramPoint, times: Times) {
    put_message(out, POINT, |out| {
        put_attributes(out, 0x0a, &point.attributes);
        put_times(out, times);
        put_unless_zero(out, COUNT, point.count().to_le_bytes());
        put_fixed(out, SUM, point.sum.to_le_bytes());
        put_zigzag(out, 0x30, point.scale);
        put_unless_zero(out, 0x39, point.zero_count.to_le_bytes());
        put_message(out, 0x42, |out| put_buckets(out, &point.positive));
        put_exemplars(out, 0x5a, &point.exemplars);
        put_unless_zero(out, 0x71, point.zero_threshold.to_le_bytes());
    });
}

fn put_buckets(out: &mut Vec<u8>, buckets: &ExponentialBuckets) {
    put_zigzag(out, 0x08, buckets.offset);
    if !buckets.counts.is_empty() {
        put_message(out, 0x12, |out| {
            buckets.counts.iter().for_each(|count| put_varint(out, *count));
        });
    }
}

fn put_exemplars(out: &mut Vec<u8>, tag: u8, exemplars: &[Exemplar]) {
    for exemplar in exemplars {
        put_message(out, tag, |out| {
            put_unless_zero(out, 0x11, exemplar.time_unix_nanos.to_le_bytes());
            put_value(out, EXEMPLAR_NUMBER, exemplar.value);
            if exemplar.span_id.is_valid() {
                put_bytes(out, 0x22, &exemplar.span_id.to_bytes());
            }
            if exemplar.trace_id.is_valid() {
                put_bytes(out, 0x2a, &exemplar.trace_id.to_bytes());
            }
            put_attributes(out, 0x3a, &exemplar.filtered_attributes);
        });
    }
}

/// Appends the attributes that have a key and a value as fields with the key `tag`.
fn put_attributes(out: &mut Vec<u8>, tag: u8, attributes: &[Attribute]) {
    for Attribute { key, value } in attributes {
        if !key.is_empty() && *value != OwnedValue::Absent {
            put_message(out, tag, |out| {
                put_bytes(out, 0x0a, key.as_bytes());
                put_message(out, 0x12, |out| value.encode(usize::MAX, out));
            });
        }
    }
}

fn put_times(out: &mut Vec<u8>, times: Times) {
    put_unless_zero(out, 0x11, times.start.to_le_bytes());
    put_unless_zero(out, 0x19, times.end.to_le_bytes());
}

/// Appends a number with the key of its kind: `double`, `sfixed64`.
fn put_value(out: &mut Vec<u8>, (double, integer): (u8, u8), value: Number) {
    match value {
        Number::I64(value) => put_fixed(out, integer, value.to_le_bytes()),
        Number::F64(value) => put_fixed(out, double, value.to_le_bytes()),
    }
}

fn put_fixed(out: &mut Vec<u8>, tag: u8, bytes: [u8; 8]) {
    out.push(tag);
    out.extend_from_slice(&bytes);
}

/// Appends a field without presence, whose zero protobuf leaves out.
fn put_unless_zero(out: &mut Vec<u8>, tag: u8, bytes: [u8; 8]) {
    if bytes != [0; 8] {
        put_fixed(out, tag, bytes);
    }
}

/// Appends a `sint32` unless it is 0.
fn put_zigzag(out: &mut Vec<u8>, tag: u8, value: i32) {
    if value != 0 {
        out.push(tag);
        put_varint(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
    }
}

/// The list of points in `Sum`, `Gauge`, `Histogram` and `ExponentialHistogram`.
const POINT: u8 = 0x0a;
/// `count` and `sum` of both kinds of histograms.
const COUNT: u8 = 0x21;
const SUM: u8 = 0x29;
/// `as_double` and `as_int` of points and of exemplars.
const NUMBER: (u8, u8) = (0x21, 0x31);
const EXEMPLAR_NUMBER: (u8, u8) = (0x19, 0x31);
