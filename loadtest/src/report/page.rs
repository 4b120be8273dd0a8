//! The report as one page that needs nothing else.

use super::Report;

pub(super) fn page(report: &Report) -> String {
    super::plot::lines(report)
}
