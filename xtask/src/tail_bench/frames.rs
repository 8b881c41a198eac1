//! Requests in one file, each with its length of four bytes in front.

/// Appends a request.
pub(super) fn push(file: &mut Vec<u8>, request: &[u8]) {
    let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(request);
}

/// The requests of a file.
pub(super) fn frames(mut file: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = file.split_first_chunk() {
        let Some((frame, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)
        else {
            break;
        };
        frames.push(frame);
        file = rest;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_were_written() {
        let mut file = Vec::new();
        push(&mut file, b"ab");
        push(&mut file, b"");
        push(&mut file, b"c");
        assert_eq!(frames(&file), [&b"ab"[..], b"", b"c"]);
        assert_eq!(frames(&file[..file.len() - 1]).len(), 2);
    }
}
