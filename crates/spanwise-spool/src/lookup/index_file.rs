//! The file of an index: read, built again from its segment, written.

use std::fmt;
use std::io;

use super::record::{RecordError, read_at_place};
use crate::compress::Decompressor;
use crate::format::{RecordHeader, RecordKind};
use crate::index::{
    HEAD_LEN, Head, IndexBuilder, IndexError, RecordFacts, RecordPlace, SealedIndex,
    SegmentIdentity, SegmentIndex,
};
use crate::segment::{Scan, Step};
use crate::storage::{Storage, StorageFile};

/// The name of the index of a segment.
pub(crate) fn index_file_name(segment: u64) -> String {
    format!("{segment:016x}.index")
}

/// The name while the file is written.
fn unfinished_name(segment: u64) -> String {
    format!("{segment:016x}.index.new")
}

/// The number of the segment whose index a file is, finished or not; `None` for other names.
pub(crate) fn segment_of_index_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".new").unwrap_or(name).strip_suffix(".index")?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    let finished = index_file_name(number);
    (name == finished || name == unfinished_name(number)).then_some(number)
}

/// The tables of an index in memory, and its pages: in the file, or in memory if there is none.
#[derive(Debug)]
pub(crate) struct IndexFile<F> {
    pub(crate) index: SegmentIndex,
    /// Bytes on disk; 0 if there is no file.
    pub(crate) file_len: u64,
    pages: Pages<F>,
}

#[derive(Debug)]
enum Pages<F> {
    File(F),
    /// The whole index.
    Memory(Vec<u8>),
}

/// The reason why there is no index to use.
#[derive(Debug)]
pub(crate) enum IndexFileError {
    Index(IndexError),
    Io(io::Error),
}

impl fmt::Display for IndexFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl IndexFileError {
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Index(error) => io::Error::other(error),
            Self::Io(error) => error,
        }
    }
}

impl<F: StorageFile> IndexFile<F> {
    /// Reads the header and the tables of the index of a segment.
    pub(crate) fn open<S: Storage<File = F>>(
        storage: &S,
        segment: u64,
        identity: SegmentIdentity,
    ) -> Result<Self, IndexFileError> {
        let file = storage.open(&index_file_name(segment)).map_err(IndexFileError::Io)?;
        let file_len = file.len().map_err(IndexFileError::Io)?;
        let mut front = vec![0; HEAD_LEN];
        let read = file.read_at(&mut front, 0).map_err(IndexFileError::Io)?;
        front.truncate(read);
        let head = Head::parse(&front, file_len).map_err(IndexFileError::Index)?;
        front.resize(head.front_len as usize, 0);
        let tables = front.get_mut(HEAD_LEN..).unwrap_or_default();
        let read = file.read_at(tables, HEAD_LEN as u64).map_err(IndexFileError::Io)?;
        if read < tables.len() {
            return Err(IndexFileError::Index(IndexError::Truncated));
        }
        let index = SegmentIndex::parse(&front, head, identity).map_err(IndexFileError::Index)?;
        Ok(Self { index, file_len, pages: Pages::File(file) })
    }

    /// An index that is in memory as a whole.
    pub(crate) fn in_memory(
        sealed: SealedIndex,
        identity: SegmentIdentity,
    ) -> Result<Self, IndexError> {
        let bytes = sealed.into_bytes();
        let index = SegmentIndex::parse_file(&bytes, identity)?;
        Ok(Self { index, file_len: 0, pages: Pages::Memory(bytes) })
    }

    /// Has the system read the pages that may have the trace, while the caller does something else.
    pub(crate) fn will_need(&self, trace_id: [u8; 16]) {
        if let Pages::File(file) = &self.pages {
            for page in self.index.pages_of(trace_id) {
                let bytes = self.index.page_bytes(page);
                file.will_need(bytes.start, bytes.end - bytes.start);
            }
        }
    }

    /// Appends the numbers of the records that may have spans of the trace. Returns the count of pages.
    pub(crate) fn find(
        &self,
        trace_id: [u8; 16],
        records: &mut Vec<u32>,
    ) -> Result<u64, IndexFileError> {
        let mut pages = 0;
        for page in self.index.pages_of(trace_id) {
            self.with_page(page, |bytes| self.index.find_in_page(page, bytes, trace_id, records))?;
            pages += 1;
        }
        Ok(pages)
    }

    /// Compares the checksums of all pages.
    pub(crate) fn verify(&self) -> Result<(), IndexFileError> {
        for page in 0..self.index.head().pages() {
            self.with_page(page, |bytes| {
                self.index.find_in_page(page, bytes, [0; 16], &mut Vec::new())
            })?;
        }
        Ok(())
    }

    fn with_page(
        &self,
        page: u32,
        read: impl FnOnce(&[u8]) -> Result<(), IndexError>,
    ) -> Result<(), IndexFileError> {
        let bytes = self.index.page_bytes(page);
        let result = match &self.pages {
            Pages::Memory(memory) => {
                let range = bytes.start as usize..bytes.end as usize;
                read(memory.get(range).unwrap_or_default())
            }
            Pages::File(file) => {
                let mut block = vec![0; (bytes.end - bytes.start) as usize];
                let len = file.read_at(&mut block, bytes.start).map_err(IndexFileError::Io)?;
                read(block.get(..len).unwrap_or_default())
            }
        };
        result.map_err(IndexFileError::Index)
    }
}

/// Builds the index of a segment from its records. Records that are damaged are left out.
pub(crate) fn rebuild<F: StorageFile>(
    file: &F,
    identity: SegmentIdentity,
    seed: u64,
    decompressor: &mut Decompressor,
) -> io::Result<IndexBuilder> {
    let mut builder = IndexBuilder::new(seed);
    let mut scan = Scan::new(Some(identity.id));
    let mut block = Vec::new();
    while let Step::Record { header, .. } = scan.next(file, identity.len)? {
        if header.kind != RecordKind::Spans {
            continue;
        }
        let place = place_of(&header);
        match read_at_place(file, place, &mut block, decompressor) {
            Ok((_, request)) => _ = builder.add(place, &RecordFacts::read(&request, seed)),
            Err(RecordError::Io(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(builder)
}

/// Where a record is.
pub(crate) fn place_of(header: &RecordHeader) -> RecordPlace {
    let len = header.end().saturating_sub(header.offset.into());
    RecordPlace {
        record: header.record,
        offset: header.offset.into(),
        len: u32::try_from(len).unwrap_or(u32::MAX),
    }
}

/// Writes the index of a segment, and returns its length.
///
/// Nothing is synced: an index that a crash damages is built again, and its checksums show it.
pub(crate) fn write_index<S: Storage>(
    storage: &mut S,
    segment: u64,
    sealed: &SealedIndex,
) -> io::Result<u64> {
    let unfinished = unfinished_name(segment);
    match storage.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = storage.create(&unfinished)?;
    let written = file
        .write_at(&sealed.front, 0)
        .and_then(|()| file.write_at(&sealed.pages, sealed.pages_offset))
        .and_then(|()| storage.rename(&unfinished, &index_file_name(segment)));
    match written {
        Ok(()) => Ok(sealed.file_len()),
        Err(error) => {
            let _best_effort = storage.remove(&unfinished);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_indexes_have_a_segment() {
        assert_eq!(segment_of_index_name(&index_file_name(0xabc)), Some(0xabc));
        assert_eq!(segment_of_index_name(&unfinished_name(7)), Some(7));
        for name in ["7.index", "0000000000000007.segment", "0000000000000ABC.index", ".index", "x"]
        {
            assert_eq!(segment_of_index_name(name), None, "{name}");
        }
    }
}
