//! Numbers that check themselves: of payment cards, bank accounts and tokens.

/// The rule of ISO/IEC 7812: digits doubled from the right, their sum a multiple of ten.
pub(super) fn passes_luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Length and first digits are those of a card network.
pub(super) fn is_of_network(digits: &[u32]) -> bool {
    let prefix = |length: usize| digits.iter().take(length).fold(0, |number, digit| number * 10 + digit);
    match digits.len() {
        13 | 16 | 19 if prefix(1) == 4 => true,
        16 => {
            (51..=55).contains(&prefix(2))
                || (2221..=2720).contains(&prefix(4))
                || prefix(4) == 6011
                || prefix(2) == 65
                || (3528..=3589).contains(&prefix(4))
        }
        15 => matches!(prefix(2), 34 | 37),
        14 => matches!(prefix(2), 36 | 38) || (300..=305).contains(&prefix(3)),
        _ => false,
    }
}

/// Country, length and the remainder of ISO 13616.
pub(super) fn is_iban(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| *c != ' ').collect();
    let bytes = compact.as_bytes();
    let shaped = (15..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes[4..].iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= 10;
    if !shaped {
        return false;
    }
    let rotated = bytes[4..].iter().chain(&bytes[..4]);
    let remainder = rotated.fold(0u32, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    remainder == 1
}

/// The last six characters of a GitHub token are the CRC-32 of the thirty before them, in base 62.
pub(super) fn is_github_token(token: &str) -> bool {
    let Some((_, rest)) = token.split_once('_') else { return false };
    let Some((random, check)) = rest.split_at_checked(30) else { return false };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(u64::from(byte - b'0')),
        b'A'..=b'Z' => Some(u64::from(byte - b'A') + 10),
        b'a'..=b'z' => Some(u64::from(byte - b'a') + 36),
        _ => None,
    };
    let number = check.bytes().try_fold(0u64, |number, byte| Some(number * 62 + digit(byte)?));
    check.len() == 6 && number == Some(u64::from(crc32(random.as_bytes())))
}

/// CRC-32 as in ISO 3309. A token is short: no table is needed.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_their_standards() {
        let digits = |text: &str| text.chars().filter_map(|c| c.to_digit(10)).collect::<Vec<_>>();
        assert!(passes_luhn(&digits("4242424242424242")) && !passes_luhn(&digits("4242424242424241")));
        assert!(is_of_network(&digits("378282246310005")) && !is_of_network(&digits("9782822463100052")));
        assert!(is_iban("DE89370400440532013000") && !is_iban("DE89370400440532013001") && !is_iban("DE89"));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let random = "abcdefghijklmnopqrstuvwxyz0123";
        let mut rest = u64::from(crc32(random.as_bytes()));
        let mut check = [b'0'; 6];
        for place in check.iter_mut().rev() {
            *place = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(rest % 62) as usize];
            rest /= 62;
        }
        let check = String::from_utf8_lossy(&check).into_owned();
        assert!(is_github_token(&format!("ghp_{random}{check}")));
        assert!(!is_github_token(&format!("ghp_{random}000000")) && !is_github_token("ghp_short"));
    }
}
