//! Buffers for what could not be finished at once: a partial request, an unsent answer.

/// Bytes with a part at the front that is done with.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    done: usize,
}

impl Buffer {
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.done == self.bytes.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.done
    }

    /// Marks bytes at the front as done with.
    pub(crate) fn advance(&mut self, count: usize) {
        self.done += count;
        debug_assert!(self.done <= self.bytes.len());
        // What remains is moved to the front only when it is the smaller part: each byte moves at most once or so.
        if self.done * 2 > self.bytes.len() {
            self.bytes.copy_within(self.done.., 0);
            self.bytes.truncate(self.bytes.len() - self.done);
            self.done = 0;
        }
    }

    fn footprint(&self) -> usize {
        self.bytes.capacity() + size_of::<Self>()
    }
}

/// A shard's buffers. It lends more than it keeps: what connections hold is bounded by their own limits.
#[derive(Debug)]
pub(crate) struct Pool {
    // Boxed, because a connection holds a buffer as one pointer or none.
    #[expect(clippy::vec_box)]
    free: Vec<Box<Buffer>>,
    buffers_max: usize,
    bytes_max: usize,
    bytes: usize,
}

impl Pool {
    /// Keeps at most `buffers_max` free buffers, none larger than `bytes_max`.
    pub(crate) fn new(buffers_max: usize, bytes_max: usize) -> Self {
        Self { free: Vec::new(), buffers_max, bytes_max, bytes: 0 }
    }

    pub(crate) fn take(&mut self) -> Box<Buffer> {
        self.free.pop().unwrap_or_else(|| {
            self.bytes += size_of::<Buffer>();
            Box::default()
        })
    }

    /// Adds bytes to a lent buffer.
    pub(crate) fn push(&mut self, buffer: &mut Buffer, bytes: &[u8]) {
        let before = buffer.bytes.capacity();
        buffer.bytes.extend_from_slice(bytes);
        self.bytes += buffer.bytes.capacity() - before;
    }

    pub(crate) fn give_back(&mut self, mut buffer: Box<Buffer>) {
        if self.free.len() < self.buffers_max && buffer.bytes.capacity() <= self.bytes_max {
            buffer.bytes.clear();
            buffer.done = 0;
            self.free.push(buffer);
        } else {
            self.bytes -= buffer.footprint();
        }
    }

    /// Bytes of all buffers, lent and free.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_keeps_what_is_pending() {
        let mut pool = Pool::new(1, 100);
        let mut buffer = pool.take();
        pool.push(&mut buffer, b"abcdef");
        buffer.advance(2);
        assert_eq!(buffer.pending(), b"cdef");
        buffer.advance(3);
        pool.push(&mut buffer, b"gh");
        assert_eq!((buffer.pending(), buffer.len(), buffer.is_empty()), (&b"fgh"[..], 3, false));
        buffer.advance(3);
        assert!(buffer.is_empty());
    }

    #[test]
    fn the_pool_is_bounded_and_counts() {
        let mut pool = Pool::new(2, 1_000);
        let mut lent: Vec<_> = (0..4).map(|_| pool.take()).collect();
        pool.push(&mut lent[3], &[0; 5_000]);
        lent.iter_mut().take(3).for_each(|buffer| pool.push(buffer, &[0; 100]));
        assert!(pool.bytes() >= 5_300);
        while let Some(buffer) = lent.pop() {
            pool.give_back(buffer);
        }
        assert_eq!(pool.free.len(), 2);
        assert_eq!(pool.bytes(), pool.free.iter().map(|buffer| buffer.footprint()).sum::<usize>());
        assert!(pool.take().is_empty());
    }
}
