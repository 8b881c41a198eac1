//! `Debug` of what holds spans shows no byte of them: bodies of requests do not belong in a log.

use spanwise_wire::read::{
    ExportResponse, FieldValue, Fields, SpanView, TraceRequest, ValueView, WireError,
};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{Chunk, Framer, Position, Request, RequestLimits, SpanLimits, SpanMeta};
use spanwise_wire::{LinkedContext, SpanId, TraceId};

/// In every text there is; its bytes in decimal, as a list of numbers shows them, too.
const CANARY: &str = "kanarienvogel";

fn check(shown: String) {
    let bytes = format!("{:?}", &CANARY.as_bytes()[..4]);
    let bytes = bytes.trim_matches(['[', ']']);
    assert!(!shown.contains(CANARY) && !shown.contains(bytes), "{shown}");
    assert!(shown.len() < 300 && !shown.contains(char::is_control), "{shown}");
}

#[test]
fn no_span_shows() {
    let limits = SpanLimits::default();
    let mut writer = SpanWriter::new();
    writer.begin(&limits, CANARY);
    writer.attribute(&limits, CANARY, CANARY);
    writer.attribute(&limits, "list", &[CANARY][..]);
    writer.event(&limits, 1, CANARY, [(CANARY, CANARY)]);
    let target =
        LinkedContext { trace_id: TraceId(3), span_id: SpanId(4), ..LinkedContext::default() };
    writer.link(&limits, &target, [(CANARY, CANARY)]);
    writer.status(&limits, spanwise_wire::StatusCode::Error, CANARY);
    check(format!("{writer:?}"));

    let mut chunk = Chunk::with_capacity(4096, 4);
    let header = SpanHeader { trace_id: TraceId(1), span_id: SpanId(2), ..SpanHeader::default() };
    let finished = writer.finish(&header);
    check(format!("{finished:?}"));
    chunk.push(&finished, SpanMeta::default());
    check(format!("{chunk:?}"));

    let resource = encode_resource([(CANARY, CANARY)], CANARY);
    let scope = encode_scope(CANARY, CANARY, [(CANARY, CANARY)], CANARY);
    let framer = Framer::new(&resource, |_| &scope, RequestLimits::default());
    check(format!("{framer:?}"));
    let plan = framer.plan(&[&chunk], Position::default()).unwrap();
    check(format!("{plan:?}"));
    let request: Request = framer.write(&[&chunk], &plan, Vec::new());
    check(format!("{request:?}"));

    let request = TraceRequest::new(request.message());
    check(format!("{request:?}"));
    check(format!("{:?}", request.spans()));
    check(format!("{:?}", Fields::new(request.bytes())));
    let field = Fields::new(request.bytes()).next().unwrap().unwrap();
    check(format!("{field:?}"));
    assert!(matches!(field.value, FieldValue::Bytes(_)));
    for resource in request.resources() {
        let resource = resource.unwrap();
        check(format!("{resource:?} {:?}", resource.attributes()));
        resource.scopes().for_each(|scope| check(format!("{:?}", scope.unwrap())));
    }
    let span: SpanView<'_> = request.spans().next().unwrap().unwrap();
    check(format!("{span:?}"));
    assert!(format!("{span:?}").contains("00000000000000000000000000000001"));
    span.events().for_each(|event| check(format!("{:?}", event.unwrap())));
    span.links().for_each(|link| check(format!("{:?}", link.unwrap())));
    let Some(list @ ValueView::Array(_)) = span.attribute("list") else { panic!("a list") };
    check(format!("{list:?}"));
}

/// A server may answer with a page.
#[test]
fn foreign_text_is_one_line_of_bounded_length() {
    let mut response = ExportResponse::default();
    let page = "line\n\u{1b}[31m".repeat(10_000);
    response.error_message = &page;
    let shown = format!("{response:?}");
    assert!(shown.len() < 2000 && !shown.contains(char::is_control), "{shown}");
}

#[test]
fn an_error_reads_the_same_in_debug() {
    let errors = [
        WireError::Truncated,
        WireError::Varint,
        WireError::FieldNumber,
        WireError::WireType(3),
        WireError::Mismatch(7),
        WireError::Depth,
        WireError::Utf8,
    ];
    for error in errors {
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}
