//! Arrays in arrays, and arrays whose iterator changes: the cost stays linear, the depth bounded, and prost
//! decodes the rest of the span.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use spanwise_wire::read::MAX_DEPTH;
use spanwise_wire::write::{Array, EncodeValue, SpanHeader, SpanWriter};
use spanwise_wire::{Chunk, SpanLimits, SpanMeta};
use std::cell::Cell;
use std::rc::Rc;

/// An iterator whose clones differ: the first walk sees `first` elements, the next ones `later`.
struct Shifting {
    walks: Rc<Cell<usize>>,
    first: usize,
    later: usize,
    left: usize,
}

impl Shifting {
    fn new(first: usize, later: usize) -> Self {
        Self { walks: Rc::new(Cell::new(0)), first, later, left: 0 }
    }
}

impl Clone for Shifting {
    fn clone(&self) -> Self {
        let left =
            if self.walks.replace(self.walks.get() + 1) == 0 { self.first } else { self.later };
        Self { walks: self.walks.clone(), left, ..*self }
    }
}

impl Iterator for Shifting {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        self.left = self.left.checked_sub(1)?;
        Some("element")
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, Some(0))
    }
}

#[test]
fn an_array_that_changes_its_length_is_dropped() {
    let limits = SpanLimits::default();
    for (first, later) in [(0, 1), (1, 0), (3, 5), (5, 3), (1, 100_000), (100_000, 1)] {
        let mut writer = SpanWriter::new();
        writer.begin(&limits, "span");
        writer.attribute(&limits, "before", &1);
        writer.attribute(&limits, "array", &Array(Shifting::new(first, later)));
        writer.event(&limits, 1, "event", [("array", Array(Shifting::new(first, later)))]);
        writer.rename("renamed");
        writer.attribute(&limits, "after", &1);
        let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
        let keys: Vec<_> = span.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!((keys, span.dropped_attributes_count), (vec!["before", "after"], 1));
        assert_eq!(span.events[0].dropped_attributes_count, 1);
    }
}

/// A tree of arrays that counts the calls of its leaves' methods.
enum Tree {
    Leaf(Rc<Asked>),
    Branch(Vec<Tree>),
}

#[derive(Default)]
struct Asked {
    len: Cell<usize>,
    encode: Cell<usize>,
    truncated: Cell<usize>,
}

fn count(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

impl EncodeValue for Tree {
    fn encoded_len(&self, max_chars: usize) -> usize {
        match self {
            Self::Leaf(asked) => {
                count(&asked.len);
                "a leaf".encoded_len(max_chars)
            }
            Self::Branch(items) => Array(items.iter()).encoded_len(max_chars),
        }
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(asked) => {
                count(&asked.encode);
                "a leaf".encode(max_chars, out);
            }
            Self::Branch(items) => Array(items.iter()).encode(max_chars, out),
        }
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        match self {
            Self::Leaf(asked) => {
                count(&asked.truncated);
                "a leaf".is_truncated(max_chars)
            }
            Self::Branch(items) => Array(items.iter()).is_truncated(max_chars),
        }
    }
}

impl Tree {
    fn new(levels: usize, wide: usize, asked: &Rc<Asked>) -> Self {
        match levels {
            0 => Self::Leaf(asked.clone()),
            _ => Self::Branch((0..wide).map(|_| Self::new(levels - 1, wide, asked)).collect()),
        }
    }

    /// The value as prost's type.
    fn any_value(&self, chars: usize) -> AnyValue {
        let value = match self {
            Self::Leaf(_) => any_value::Value::StringValue("a leaf".chars().take(chars).collect()),
            Self::Branch(items) => any_value::Value::ArrayValue(ArrayValue {
                values: items.iter().map(|item| item.any_value(chars)).collect(),
            }),
        };
        AnyValue { value: Some(value) }
    }
}

#[test]
fn nested_arrays_call_each_element_once() {
    let mut limits = SpanLimits::default();
    for (levels, wide) in [(1, 1000), (2, 30), (10, 2), (MAX_DEPTH.into(), 1)] {
        for chars in [3, 100] {
            limits.value_chars = chars;
            let asked = Rc::new(Asked::default());
            let tree = Tree::new(levels, wide, &asked);
            let leaves = wide.pow(levels as u32);
            let mut writer = SpanWriter::new();
            writer.begin(&limits, "span");
            writer.attribute(&limits, "tree", &tree);
            assert_eq!((asked.len.get(), asked.encode.get()), (leaves, leaves), "{levels} levels");
            // The first cut element decides.
            assert_eq!(asked.truncated.get(), if chars < 6 { 1 } else { leaves });
            assert_eq!(writer.dropped_counts().truncated_values, u32::from(chars < 6));
            let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
            assert_eq!(span.attributes[0].value, Some(tree.any_value(chars)));

            let mut out = Vec::new();
            tree.encode(chars, &mut out);
            assert_eq!(out, tree.any_value(chars).encode_to_vec());
            assert_eq!((asked.len.get(), asked.encode.get()), (leaves, 2 * leaves));
            assert_eq!(out.len(), tree.encoded_len(chars));
        }
    }
}

#[test]
fn arrays_deeper_than_receivers_accept_are_dropped() {
    let limits = SpanLimits::default();
    let depth = usize::from(MAX_DEPTH);
    let mut writer = SpanWriter::new();
    writer.begin(&limits, "span");
    for levels in [depth, depth + 1, 10_000] {
        let asked = Rc::new(Asked::default());
        // From the leaf up: building it must not recurse.
        let mut tree = Tree::Leaf(asked.clone());
        for _ in 0..levels {
            tree = Tree::Branch(vec![tree]);
        }
        writer.attribute(&limits, &format!("{levels}"), &tree);
        // In an event, which is one message deeper, and where the whole request is read.
        writer.event(&limits, 1, "event", [("tree", &tree)]);
        assert_eq!(asked.encode.get(), if levels <= depth { 2 } else { 0 });
        // Nor may its drop.
        while let Tree::Branch(items) = &mut tree {
            let Some(inner) = items.pop() else { break };
            tree = inner;
        }
    }
    let chunk = Chunk::single(&writer.finish(&SpanHeader::default()), SpanMeta::default());
    let scope_spans = vec![ScopeSpans::decode(chunk.bytes()).unwrap()];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let request = ExportTraceServiceRequest::decode(&*request).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (1, 2));
    let dropped: Vec<_> = span.events.iter().map(|event| event.dropped_attributes_count).collect();
    assert_eq!(dropped, [0, 1, 1]);
}
