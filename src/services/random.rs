//! Names that nobody can guess and nobody else has.

use std::fmt::Write as _;
use std::io;

/// Returns `N` random bytes of the system as hex digits.
pub(crate) fn hex<const N: usize>() -> io::Result<String> {
    let mut bytes = [0_u8; N];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if got != N {
        return Err(io::Error::other("the system gave too few random bytes"));
    }
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_length_and_are_never_the_same() {
        let (one, other) = (hex::<16>().unwrap(), hex::<16>().unwrap());
        assert_eq!((one.len(), other.len()), (32, 32));
        assert_ne!(one, other);
    }
}
