//! Overwriting the image in the primary slot.

use super::flash::{Flash, Refused};
use super::image::Place;

impl Flash<'_, '_> {
    /// Copies the image, and erases the first and the last sector of the secondary slot.
    pub(super) fn overwrite(&mut self, image: usize) -> Result<(), Refused> {
        let pair = self.pair(image);
        let [from, to] = [pair.secondary, pair.primary];
        if self.loader.copies_all {
            // The copy includes the trailer, whose mark means nothing in the primary slot.
            self.erase(to.start, to.len);
            self.copy(from.start, to.start, to.len);
        } else {
            let len = self.image_len(Place { area: from, offset: 0 }).ok_or(Refused)?;
            self.erase(to.start, len.next_multiple_of(self.sector).min(to.len));
            self.clear_trailer(to);
            // As in MCUboot, a length that is a multiple of the write unit becomes one unit longer.
            let len = len.saturating_add(self.write).saturating_sub(len.checked_rem(self.write).unwrap_or(0));
            if len > to.len {
                return Err(Refused);
            }
            self.copy(from.start, to.start, len);
            self.write_magic(to);
        }
        self.erase(from.start, self.sector);
        self.erase(from.end().saturating_sub(self.sector), self.sector);
        Ok(())
    }
}
