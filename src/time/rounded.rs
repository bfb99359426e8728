//! Durations for people.

use core::fmt;
use core::time::Duration;

/// Prints a duration with up to three digits and its unit: `8.23 ms`, `300 ms`, `4 s`, `1234 s`.
/// `Debug` prints it in full.
#[derive(Clone, Copy)]
pub(crate) struct Rounded(pub(crate) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 4] =
            [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns")];
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0 s");
        }
        let mut index = UNITS.iter().position(|(unit, _)| nanos >= *unit).unwrap_or(3);
        loop {
            let (unit, name) = UNITS[index];
            // The fewest decimals that leave three digits.
            let decimals = match nanos / unit {
                0..10 => 2,
                10..100 => 1,
                _ => 0,
            };
            let (scale, step) = match decimals {
                2 => (100, unit / 100),
                1 => (10, unit / 10),
                _ => (1, unit),
            };
            let step = step.max(1);
            let rounded = (nanos + step / 2) / step * step;
            // 999.9 ms are 1 s.
            if index > 0 && rounded >= UNITS[index - 1].0 {
                index -= 1;
                continue;
            }
            let (whole, fraction) = (rounded / unit, rounded % unit * scale / unit);
            return match decimals {
                _ if fraction == 0 => write!(f, "{whole} {name}"),
                2 if fraction % 10 == 0 => write!(f, "{whole}.{} {name}", fraction / 10),
                2 => write!(f, "{whole}.{fraction:02} {name}"),
                _ => write!(f, "{whole}.{fraction} {name}"),
            };
        }
    }
}

impl fmt::Debug for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn rounded_duration_has_three_digits_and_its_unit() {
        let table = [
            (0, "0 s"),
            (1, "1 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (1_004, "1 µs"),
            (1_005, "1.01 µs"),
            (8_234_995, "8.23 ms"),
            (8_200_000, "8.2 ms"),
            (45_678_901, "45.7 ms"),
            (300_000_000, "300 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1 s"),
            (9_999_999, "10 ms"),
            (99_950_000, "100 ms"),
            (1_500_000_000, "1.5 s"),
            (4_000_000_000, "4 s"),
            (1_234_567_000_000, "1235 s"),
        ];
        for (nanos, text) in table {
            assert_eq!(Rounded(Duration::from_nanos(nanos)).to_string(), text, "{nanos}");
        }
        assert_eq!(Rounded(Duration::MAX).to_string(), "18446744073709551616 s");
    }
}
