//! Requests as the receiver reads them: a decoder of its own, so that the framer has an independent
//! oracle.

/// A span as the receiver finds it in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedSpan<'a> {
    /// The name of its scope.
    pub scope: &'a [u8],
    /// The trace id.
    pub trace: [u8; 16],
    /// The span id.
    pub id: u64,
    /// The span's name.
    pub name: &'a [u8],
}

/// Reads an `ExportTraceServiceRequest` and calls `each` for every span, in order.
///
/// # Errors
/// A sentence, if the bytes are no such message.
pub fn read_request<'a>(
    message: &'a [u8],
    mut each: impl FnMut(ReceivedSpan<'a>) -> Result<(), String>,
) -> Result<(), String> {
    for (number, resource_spans) in fields(message)? {
        expect(number == 1, "a request has `resource_spans` alone")?;
        for (number, value) in fields(resource_spans)? {
            match number {
                // The resource, and the URL of its schema.
                1 | 3 => {}
                2 => read_scope_spans(value, &mut each)?,
                _ => return Err(format!("`ResourceSpans` has no field {number}")),
            }
        }
    }
    Ok(())
}

fn read_scope_spans<'a>(
    message: &'a [u8],
    each: &mut impl FnMut(ReceivedSpan<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut scope = &[][..];
    for (number, value) in fields(message)? {
        match number {
            1 => {
                let name = fields(value)?.into_iter().find(|&(number, _)| number == 1);
                scope = name.map_or(&[][..], |(_, name)| name);
            }
            2 => each(read_span(value, scope)?)?,
            3 => {}
            _ => return Err(format!("`ScopeSpans` has no field {number}")),
        }
    }
    Ok(())
}

fn read_span<'a>(message: &'a [u8], scope: &'a [u8]) -> Result<ReceivedSpan<'a>, String> {
    let mut span = ReceivedSpan { scope, trace: [0; 16], id: 0, name: &[] };
    for (number, value) in fields(message)? {
        match number {
            1 => {
                span.trace = value.try_into().map_err(|_| "a trace id has 16 bytes".to_owned())?;
            }
            2 => {
                let id = value.try_into().map_err(|_| "a span id has 8 bytes".to_owned())?;
                span.id = u64::from_be_bytes(id);
            }
            5 => span.name = value,
            _ => return Err(format!("the world writes no span with field {number}")),
        }
    }
    Ok(span)
}

/// Writes the `Span` message of the span with these ids and a name of `len` bytes into `into`.
pub fn write_span(trace: [u8; 16], id: u64, len: usize, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&[0x0a, 16]);
    into.extend_from_slice(&trace);
    into.extend_from_slice(&[0x12, 8]);
    into.extend_from_slice(&id.to_be_bytes());
    if len > 0 {
        into.push(0x2a);
        put_varint(len as u64, into);
        into.resize(into.len() + len, fill(id));
    }
}

/// The byte that the name of a span consists of.
pub fn fill(id: u64) -> u8 {
    b'a' + (id % 26) as u8
}

/// The fields of a message, all of which are length-delimited in the messages of a world.
pub(crate) fn fields(message: &[u8]) -> Result<Vec<(u64, &[u8])>, String> {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let (tag, after) = varint(rest)?;
        expect(tag & 7 == 2, "a field has a length")?;
        let (len, after) = varint(after)?;
        let len = usize::try_from(len).ok().filter(|&len| len <= after.len());
        let len = len.ok_or("a field ends within its message")?;
        let (value, after) = after.split_at(len);
        fields.push((tag >> 3, value));
        rest = after;
    }
    Ok(fields)
}

fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), String> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    Err("a number ends within its message".to_owned())
}

fn put_varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn expect(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

/// The id of the trace with this index.
pub fn trace_id(index: u64) -> [u8; 16] {
    (u128::from_be_bytes(*b"simulated trace!") ^ u128::from(index)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(number: u8, message: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        put_varint(message.len() as u64, &mut out);
        out.extend_from_slice(message);
        out
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let mut span = Vec::new();
        write_span(trace_id(3), 27, 300, &mut span);
        let scope = nested(1, &nested(1, b"scope"));
        let scope_spans = [scope, nested(2, &span)].concat();
        let request = nested(1, &[nested(1, b""), nested(2, &scope_spans)].concat());
        let mut seen = Vec::new();
        let read = read_request(&request, |span| {
            seen.push((span.trace, span.id, span.name.to_vec(), span.scope.to_vec()));
            Ok(())
        });
        assert_eq!(read, Ok(()));
        assert_eq!(seen, [(trace_id(3), 27, vec![b'b'; 300], b"scope".to_vec())]);
        assert!(read_request(&request[..request.len() - 1], |_| Ok(())).is_err());
    }
}
