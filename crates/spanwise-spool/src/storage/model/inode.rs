//! One file of the model: the page cache, the disk, and what a crash leaves of the difference.

use std::collections::BTreeMap;

use super::random::Random;

/// The unit in which the page cache is written to the disk.
pub(super) const PAGE: usize = 4096;
/// The unit that a disk writes whole: a page can be torn between two of them.
const SECTOR: usize = 512;
/// The images of a dirty page that a crash selects from. Older ones than these are as likely as none in practice.
const IMAGES: usize = 6;

/// The content of a file. A rename moves the name, not the inode.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// The page cache: what processes read.
    pub(super) current: Vec<u8>,
    /// The content of the disk after the last sync that succeeded.
    durable: Vec<u8>,
    /// The images of each page since then, in the order of the writes: the kernel may have written any of them, and no other.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The lengths of the file since then.
    lengths: Vec<usize>,
    /// The least of them, if the file was cut: the blocks behind it are freed.
    cut: Option<usize>,
}

impl Inode {
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.current.len() {
            self.set_current_len(end);
        }
        if let Some(target) = self.current.get_mut(offset..end) {
            target.copy_from_slice(bytes);
        }
        for page in offset / PAGE..end.div_ceil(PAGE) {
            self.mark_dirty(page);
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let changed = len.min(self.current.len()) / PAGE;
        let is_torn_page = !len.is_multiple_of(PAGE);
        if len < self.current.len() {
            self.cut = Some(self.cut.map_or(len, |cut| cut.min(len)));
        }
        self.set_current_len(len);
        self.dirty.retain(|page, _| page * PAGE < len);
        // The kernel zeroes the rest of the last page.
        if is_torn_page && changed * PAGE < len {
            self.mark_dirty(changed);
        }
    }

    pub(super) fn sync(&mut self) {
        self.write_pages();
        self.durable.resize(self.current.len(), 0);
        self.clear();
    }

    /// A sync that fails: the kernel wrote some of the pages, and forgets that the others are dirty. A later sync that
    /// succeeds writes none of them, while the process goes on to read them from the page cache.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        self.lose(random);
        self.clear();
    }

    /// Leaves the content that a reader finds after the power failed.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        self.lose(random);
        self.current = self.durable.clone();
        self.clear();
    }

    fn set_current_len(&mut self, len: usize) {
        self.current.resize(len, 0);
        self.lengths.push(len);
    }

    fn mark_dirty(&mut self, page: usize) {
        let end = ((page + 1) * PAGE).min(self.current.len());
        let image = self.current.get(page * PAGE..end).unwrap_or_default().to_vec();
        let images = self.dirty.entry(page).or_default();
        if images.len() == IMAGES {
            images.remove(0);
        }
        images.push(image);
    }

    fn clear(&mut self) {
        self.dirty.clear();
        self.lengths.clear();
        self.cut = None;
    }

    /// Writes an arbitrary subset of the dirty pages to the disk, each as of an arbitrary moment, some torn, and an arbitrary
    /// length of those that the file had.
    fn lose(&mut self, random: &mut Random) {
        // All or nothing is as likely as each mixture: both happen often, and find other bugs.
        let mode = random.below(4);
        let len = match (mode, self.lengths.is_empty()) {
            (0, _) | (_, true) => self.durable.len(),
            (1, _) => self.current.len(),
            _ => match random.below(self.lengths.len() + 1) {
                0 => self.durable.len(),
                at => self.lengths.get(at - 1).copied().unwrap_or_default(),
            },
        };
        match mode {
            0 => {}
            1 => self.write_pages(),
            _ => self.write_pages_torn(random),
        }
        // Blocks that belong to the file by its length, and were never written, read as zeroes.
        self.durable.resize(len, 0);
    }

    fn write_pages(&mut self) {
        if let Some(cut) = self.cut {
            self.durable.truncate(cut);
        }
        for (page, images) in std::mem::take(&mut self.dirty) {
            if let Some(image) = images.last() {
                put(&mut self.durable, page * PAGE, image);
            }
        }
    }

    fn write_pages_torn(&mut self, random: &mut Random) {
        if let Some(cut) = self.cut.filter(|_| random.one_in(2)) {
            self.durable.truncate(cut);
        }
        let dirty = std::mem::take(&mut self.dirty);
        for (page, images) in &dirty {
            let count = random.below(images.len() + 1);
            let Some(image) = count.checked_sub(1).and_then(|last| images.get(last)) else {
                continue;
            };
            if random.one_in(4) {
                // The power failed while the disk wrote this page: any of its sectors are new.
                for (sector, bytes) in image.chunks(SECTOR).enumerate() {
                    if random.one_in(2) {
                        put(&mut self.durable, page * PAGE + sector * SECTOR, bytes);
                    }
                }
            } else {
                put(&mut self.durable, page * PAGE, image);
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(target) = content.get_mut(offset..end) {
        target.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_preserves_what_was_synced() {
        for seed in 0..200 {
            let mut inode = Inode::default();
            inode.write(&[1; 10_000], 0);
            inode.sync();
            inode.write(&[2; 10_000], 10_000);
            inode.lose_power(&mut Random::new(seed));
            assert_eq!(inode.current.get(..10_000), Some(&[1; 10_000][..]), "{seed}");
        }
    }

    #[test]
    fn a_crash_loses_any_page_and_any_sector_that_was_not_synced() {
        let (mut later_page_only, mut torn, mut short, mut nothing) = (0, 0, 0, 0);
        for seed in 0..2_000 {
            let mut inode = Inode::default();
            inode.write(&[7; 3 * PAGE], 0);
            inode.lose_power(&mut Random::new(seed));
            let page = |at: usize| inode.current.get(at * PAGE..(at + 1) * PAGE);
            nothing += usize::from(inode.current.is_empty());
            short += usize::from(!inode.current.is_empty() && inode.current.len() < 3 * PAGE);
            later_page_only += usize::from(
                page(0).is_some_and(|page| page.iter().all(|byte| *byte == 0))
                    && page(2).is_some_and(|page| page.iter().all(|byte| *byte == 7)),
            );
            torn += usize::from(page(1).is_some_and(|page| page.contains(&0) && page.contains(&7)));
        }
        // The file has one length only here, the whole; a shorter one needs two writes.
        assert_eq!(short, 0);
        assert!(
            later_page_only > 50 && torn > 50 && nothing > 200,
            "{later_page_only} {torn} {nothing}"
        );
    }

    #[test]
    fn a_sync_after_one_that_failed_succeeds_and_stores_nothing() {
        let mut lost = 0;
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let mut inode = Inode::default();
            inode.write(b"record", 0);
            inode.fail_sync(&mut random);
            inode.sync();
            assert_eq!(inode.current, b"record", "the page cache has it");
            inode.lose_power(&mut random);
            lost += usize::from(inode.current != b"record");
        }
        assert!(lost > 20, "{lost}");
    }

    #[test]
    fn the_blocks_behind_a_cut_are_zeroes_when_the_file_grows_again() {
        let mut inode = Inode::default();
        inode.write(&[9; 5 * PAGE], 0);
        inode.sync();
        inode.set_len(100);
        inode.write(&[8; 10], 4 * PAGE);
        inode.sync();
        let expected = inode.current.clone();
        assert!(expected.get(100..4 * PAGE).is_some_and(|hole| hole.iter().all(|byte| *byte == 0)));
        inode.lose_power(&mut Random::new(1));
        assert_eq!(inode.current, expected);
    }

    #[test]
    fn a_page_is_lost_back_to_an_image_that_it_had() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..300 {
            let mut inode = Inode::default();
            inode.write(&[0; 8], 0);
            inode.sync();
            for value in 1..=3 {
                inode.write(&[value; 8], 0);
            }
            inode.lose_power(&mut Random::new(seed));
            seen.insert(inode.current.clone());
        }
        assert_eq!(seen, (0..=3).map(|value| vec![value; 8]).collect());
    }
}
