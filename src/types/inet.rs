//! Internet addresses: held as the text that PostgreSQL prints.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use arrow::array::ArrayRef;

use crate::error::Result;

use super::fault::{self, Fault};
use super::{CellError, Cells, text};

/// Parses a column of addresses.
pub(super) fn column(cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    text::canonical(cells, append)
}

/// Appends the canonical text of an address with an optional mask.
fn append(bytes: &[u8], out: &mut String) -> Result {
    let text = fault::utf8(bytes)?.trim();
    let fault = || Fault::syntax().of("inet", bytes);
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| fault())?;
    let widest = if address.is_ipv4() { 32 } else { 128 };
    let mask = match mask {
        Some(digits) if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u8>().ok().filter(|mask| *mask <= widest).ok_or_else(fault)?
        }
        Some(_) => return Err(fault()),
        None => widest,
    };
    let written = match address {
        IpAddr::V6(address) if embeds_ipv4(address) => {
            let [.., a, b, c, d] = address.octets();
            write!(out, "::{a}.{b}.{c}.{d}")
        }
        other => write!(out, "{other}"),
    };
    let masked = if mask < widest { write!(out, "/{mask}") } else { Ok(()) };
    written.and(masked).map_err(|_| fault())
}

/// Whether PostgreSQL prints the last 32 bits of an address with points behind `::`.
fn embeds_ipv4(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    segments[..6] == [0; 6] && segments[6] != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::error::SqlState;

    use super::*;

    fn read(text: &str) -> Result<String> {
        let mut out = String::new();
        append(text.as_bytes(), &mut out).map(|()| out)
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn prints_as_postgresql_does() {
        check("192.168.0.1", "192.168.0.1");
        check("192.168.0.1/32", "192.168.0.1");
        check("192.168.0.1/24", "192.168.0.1/24");
        check("10.0.0.0/0", "10.0.0.0/0");
        check("2001:DB8::0:1", "2001:db8::1");
        check("2001:db8:0:0:1:0:0:1/64", "2001:db8::1:0:0:1/64");
        check("::1/128", "::1");
        check("::", "::");
        check("::ffff:1.2.3.4/120", "::ffff:1.2.3.4/120");
        check("::1.2.3.4", "::1.2.3.4");
        check(" ::1 ", "::1");
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "1.2.3",
            "1.2.3.256",
            "1.2.3.4/33",
            "::1/129",
            "1.2.3.4/",
            "1.2.3.4/x",
            "1.2.3.4/+8",
            "host",
            ":::1",
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_prints(bits: u128, mask in 0u8..=128, zeros: u128) {
            let address = Ipv6Addr::from_bits(bits & zeros);
            let printed = read(&format!("{address}/{mask}")).unwrap();
            prop_assert_eq!(&read(&printed).unwrap(), &printed);
            let text = printed.split('/').next().unwrap();
            prop_assert_eq!(text.parse::<Ipv6Addr>().unwrap(), address);
        }
    }
}
