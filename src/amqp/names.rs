//! Names as AMQP carries them: with a length of one byte. lapin's own conversion panics beyond, so
//! every name that a person or a message gave goes through here.

use lapin::types::ShortString;

/// Bytes.
pub const LONGEST_NAME: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name {start:?}… has {bytes} bytes; AMQP allows {LONGEST_NAME}")]
pub struct NameTooLong {
    start: String,
    bytes: usize,
}

pub fn short(text: &str) -> Result<ShortString, NameTooLong> {
    ShortString::try_new(text).map_err(|_| NameTooLong { start: text.chars().take(40).collect(), bytes: text.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_too_long_for_amqp_is_refused() {
        assert!(short(&"x".repeat(255)).is_ok());
        assert!(short(&"x".repeat(256)).unwrap_err().to_string().contains("256 bytes; AMQP allows 255"));
    }
}
