//! `Debug` of types that hold spans prints numbers, and no byte of a span.

use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
use spanwise_wire::SpanMeta;

const CANARY: &[u8] = b"kanarienvogel";

#[test]
fn debug_prints_no_span() {
    let shards = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(1 << 20));
    assert!(shards.push(CANARY, SpanMeta::default()).is_ok());
    let mut taken = Vec::new();
    shards.drain_all(&mut taken);
    assert!(shards.push(CANARY, SpanMeta::default()).is_ok());
    let budget = shards.budget();
    let charge = budget.try_charge(7).unwrap();
    let bytes = format!("{:?}", &CANARY[..4]);
    let bytes = bytes.trim_matches(['[', ']']);
    for shown in [
        format!("{shards:?}"),
        format!("{:?}", taken[0]),
        format!("{budget:?}"),
        format!("{charge:?}"),
    ] {
        assert!(!shown.contains("kanarienvogel") && !shown.contains(bytes), "{shown}");
        assert!(shown.len() < 600 && !shown.contains(char::is_control), "{shown}");
    }
    assert!(format!("{budget:?}").contains("of 1048576 bytes"));
    assert_eq!(format!("{charge:?}"), "Charge(7 bytes)");
}
