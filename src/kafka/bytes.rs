//! Kafka's types on the wire, in the older encoding and in the compact ("flexible") one with tagged
//! fields.

use std::fmt;

/// The bytes are not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer cannot be read ({})", self.0)
    }
}

/// Writes one request.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    flexible: bool,
}

impl Writer {
    pub fn new(flexible: bool) -> Self {
        Self { bytes: Vec::new(), flexible }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    pub fn i8(&mut self, value: i8) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub fn i16(&mut self, value: i16) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub fn string(&mut self, value: &str) {
        if self.flexible {
            self.varint(value.len() + 1);
        } else {
            self.i16(i16::try_from(value.len()).unwrap_or(i16::MAX));
        }
        // A name longer than the protocol carries is refused where it is configured.
        self.bytes.extend(value.as_bytes());
    }

    pub fn no_string(&mut self) {
        if self.flexible { self.varint(0) } else { self.i16(-1) }
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.bytes.extend(value);
    }

    /// As many elements must follow.
    pub fn count(&mut self, elements: usize) {
        if self.flexible {
            self.varint(elements + 1);
        } else {
            self.i32(i32::try_from(elements).unwrap_or(i32::MAX));
        }
    }

    /// An array, element by element.
    pub fn array<T>(&mut self, elements: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.count(elements.len());
        for element in elements {
            write(self, element);
        }
    }

    pub fn no_uuid(&mut self) {
        self.bytes.extend([0; 16]);
    }

    /// The end of a structure: no tagged fields.
    pub fn end(&mut self) {
        if self.flexible {
            self.bytes.push(0);
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// Reads one answer. No length is believed further than there are bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], flexible: bool) -> Self {
        Self { rest: bytes, flexible }
    }

    pub fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.fixed::<1>()?[0] != 0)
    }

    pub fn i8(&mut self) -> Result<i8, Malformed> {
        Ok(i8::from_be_bytes(self.fixed()?))
    }

    pub fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(self.fixed()?))
    }

    pub fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    pub fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.fixed()?))
    }

    pub fn uuid(&mut self) -> Result<[u8; 16], Malformed> {
        self.fixed()
    }

    pub fn string(&mut self) -> Result<String, Malformed> {
        self.optional_string()?.ok_or(Malformed("a name is missing"))
    }

    pub fn optional_string(&mut self) -> Result<Option<String>, Malformed> {
        let length = if self.flexible { self.length()? } else { usize::try_from(self.i16()?).ok() };
        let Some(length) = length else { return Ok(None) };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Malformed("a name is not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.any_length()?.unwrap_or(0);
        self.take(length)
    }

    /// An array, element by element; a missing one is empty.
    pub fn array<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let count = self.any_length()?.unwrap_or(0);
        // Every element takes at least one byte.
        if count > self.rest.len() {
            return Err(Malformed("a list is longer than the answer"));
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(elements)
    }

    /// The end of a structure: its tagged fields are passed over.
    pub fn end(&mut self) -> Result<(), Malformed> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Ok(())
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn left(&self) -> usize {
        self.rest.len()
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn any_length(&mut self) -> Result<Option<usize>, Malformed> {
        if self.flexible { self.length() } else { Ok(usize::try_from(self.i32()?).ok()) }
    }

    /// A compact length is one more than it says; 0 is none.
    fn length(&mut self) -> Result<Option<usize>, Malformed> {
        Ok(self.varint()?.checked_sub(1))
    }

    fn varint(&mut self) -> Result<usize, Malformed> {
        let mut value = 0_usize;
        for shift in (0..35).step_by(7) {
            let [byte] = self.fixed()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a length has too many digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_both_encodings() {
        for flexible in [false, true] {
            let mut writer = Writer::new(flexible);
            writer.string("tasks");
            writer.no_string();
            writer.array([7, -1].into_iter(), Writer::i32);
            writer.bytes(&[1; 300]);
            writer.end();
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes, flexible);
            assert_eq!(reader.string().unwrap(), "tasks");
            assert_eq!(reader.optional_string().unwrap(), None);
            assert_eq!(reader.array(Reader::i32).unwrap(), [7, -1]);
            assert_eq!(reader.bytes().unwrap(), [1; 300]);
            reader.end().unwrap();
            assert_eq!(reader.left(), 0);
        }
    }

    #[test]
    fn a_length_that_lies_reserves_no_memory() {
        let mut old = Reader::new(&[0x7f, 0xff, 0xff, 0xff, 0], false);
        assert!(old.array(Reader::i8).is_err());
        let mut compact = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], true);
        assert!(compact.array(Reader::i8).is_err());
        assert!(Reader::new(&[0xff; 9], true).bytes().is_err());
        assert!(Reader::new(&[0x7f, 0xff, 1], false).string().is_err());
    }

    #[test]
    fn unknown_tagged_fields_are_passed_over() {
        let mut reader = Reader::new(&[2, 0, 1, 9, 5, 2, 9, 9, 42], true);
        reader.end().unwrap();
        assert_eq!(reader.i8().unwrap(), 42);
    }
}
