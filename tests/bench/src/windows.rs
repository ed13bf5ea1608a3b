//! Windows of measurement: two sides in turn, A B A B ..., and the median of the ratios, because machines are noisy.

/// The middle of the values; of an even number the lower one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// `a / b`, pair by pair, and their median.
pub(crate) fn median_ratio(a: &[f64], b: &[f64]) -> f64 {
    median(&a.iter().zip(b).map(|(a, b)| a / b).collect::<Vec<_>>())
}

/// The values for people.
pub(crate) fn list(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:.0}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{median, median_ratio};

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median_ratio(&[4.0, 9.0, 8.0], &[2.0, 3.0, 8.0]) - 2.0).abs() < f64::EPSILON);
    }
}
