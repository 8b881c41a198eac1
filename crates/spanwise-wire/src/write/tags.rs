//! Keys of the fields of `AnyValue` and `ArrayValue` (`opentelemetry/proto/common/v1/common.proto`):
//! field number << 3 | wire type.

pub(super) const STRING: u8 = 0x0a;
pub(super) const BOOL: u8 = 0x10;
pub(super) const INT: u8 = 0x18;
pub(super) const DOUBLE: u8 = 0x21;
pub(super) const ARRAY: u8 = 0x2a;
pub(super) const BYTES: u8 = 0x3a;
pub(super) const ARRAY_ITEM: u8 = 0x0a;
