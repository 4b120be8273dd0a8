//! Emergency numbers of every country. A call to one is free, goes out whatever an account may do or owe,
//! and is never counted against it.
//!
//! The table lists what people are told to dial for police, ambulance, fire brigade and rescue, and what
//! they were told before as long as it may still answer. Where it errs it errs toward help: 112 and 911
//! count everywhere, as mobile phones have taught everybody (3GPP TS 22.101 §10.1).

use offhook_types::Dialed;

use super::Country;

/// Who answers an emergency number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// A centre that sends whoever is needed.
    Any,
    /// The police.
    Police,
    /// An ambulance.
    Ambulance,
    /// The fire brigade.
    Fire,
}

/// Who answers what was dialled, as an emergency number of the caller's country; `None` for any other
/// number. A caller whose country is not known has the numbers that count everywhere.
pub fn service(dialed: &Dialed, home: Option<Country>) -> Option<Service> {
    let Dialed::Short(code) = dialed else { return None };
    let own = home.and_then(|country| of_country(code, country));
    own.or_else(|| EVERYWHERE.contains(&&**code).then_some(Service::Any))
}

fn of_country(code: &str, country: Country) -> Option<Service> {
    let line = NUMBERS.lines().find(|line| line.starts_with(country.as_str()))?;
    let columns = line.split(' ').skip(1);
    let services = [Service::Any, Service::Police, Service::Ambulance, Service::Fire];
    let mut found =
        columns.zip(services).filter(|(numbers, _)| numbers.split(',').any(|n| n == code));
    found.next().map(|(_, service)| service)
}

const EVERYWHERE: [&str; 2] = ["112", "911"];

/// Country; one number for all, or for who is none of the three, such as rescuers at sea; police;
/// ambulance; fire. Commas between several, a dash for none.
const NUMBERS: &str = "\
AC 911,999 - - -
AD 112 110 116 118
AE 999,112,996 999 998 997
AF 112 119,100 102,112 119
AG 911,999 - - -
AI 911 - - -
AL 112 129 127 128
AM 112,911 102 103 101
AO 112 113 112 115
AQ 911 - - -
AR 911,112,103,106 101 107 100
AS 911 - - -
AT 112,140 133 144 122
AU 000,112,106 - - -
AW 911 100 - -
AX 112 - - -
AZ 112 102 103 101
BA 112 122 124 123
BB 911 211 511 311
BD 999 100,101 199 102
BE 112 101 100 100
BF 112 17 112 18
BG 112 166 150 160
BH 999,199 - - -
BI 112,113 117 112 118
BJ 112,114,116 117 112 118
BL 112 17 15 18
BM 911 - - -
BN 993,991,995 993 991 995
BO 911 110 118 119
BQ 911 - 912 -
BR 112,911,128,199 190,191 192 193
BS 919,911 - - -
BT 112 113 112 110
BV 112 - - -
BW 911,112,111 999 997 998
BY 112 102 103 101
BZ 911,990 - 90 90
CA 911 - - -
CC 000,112 - - -
CD 112,113,114,177,188 112 - 118
CF 112 117 1220 118
CG 112 117 112 118
CH 112 117 144,1414,1415 118
CI 112 110,111,170 185 180
CK 999 999 998 996
CL 112,911,137,138 133 131 132
CM 112 117,113,13,17 119 118,18
CN 112 110,122 120 119
CO 123,112,156 112 125,132 119
CR 911 - - -
CU 112 106 104 105
CV 112 132 130 131
CW 911 - 912 -
CX 000,112 - - -
CY 112,199 - - -
CZ 112 158,156 155 150
DE 112 110 - -
DJ 112 17 19 18
DK 112 114 - -
DM 911,999 - - 333
DO 911,112 - - -
DZ 112 17,1548 14 14
EC 911 101 131 102
EE 112 110 - -
EG 112 122 123 180
EH 112 19,177 15,150 15,150
ER 112 113 114 116
ES 112 091,092,062,088 061 080,085
ET 911,112 991,91,997 907,92 939,93
FI 112 - - -
FJ 911 917 911 910
FK 999 - - -
FM 911 - - -
FO 112 114 - -
FR 112,114,191,196 17 15 18
GA 112 177,1730 1300 18
GB 999,112 - - -
GD 911 - 434 -
GE 112 022,122 033,113 011,111
GF 112 17 15 18
GG 999,112 - - -
GH 112,999 191 193 192
GI 112,999 199 190 190
GL 112 - - -
GM 112 117,17 116,16 118,18
GN 112,117 117 - 18
GP 112 17 15 18
GQ 112,114 114 112 115
GR 112,108 100 166 199
GS 999 - - -
GT 112 110,120 128,123 122,123
GU 911 - - -
GW 112,113 117 119 118
GY 911 911 913 912
HK 999,112 - - -
HM 000,112 - - -
HN 911 199 195 198
HR 112,195 192 194,94 193,93
HT 112 114 116,118 115
HU 112 107 104 105
ID 112,115 110 118,119 113
IE 112,999 - - -
IL 112 100 101 102
IM 999,112 - - -
IN 112 100 102,108 101
IO 999,112 - - -
IQ 112,911 104,100 122 115
IR 112 110 115 125
IS 112 - - -
IT 112 113 118 115
JE 999,112 - - -
JM 112,911 119 110 110
JO 911,112,197 191,192 - -
JP 112,118 110 119 119
KE 999,112,911,114 - - -
KG 112 102 103 101
KH 112,666 117 119 118
KI 192,999,992,993 192 994,194 193,195
KM 112 17 - 18
KN 911,999 - - 333
KP 112 119 119 119
KR 112 112 119 119
KW 112 - - -
KY 911 - - -
KZ 112 102 103 101
LA 112,1191 1191,191 1195,195 1190,190
LB 112,999,125 112,999 140 175
LC 911,999 - - -
LI 112 117 144 118
LK 112,116 118,119 1990,110 110,111
LR 911,355 - - -
LS 112,115,117 123,124 121 122
LT 112 102,02,022 103,03,033 101,01,011
LU 112 113 - -
LV 112 110,02 113,03 01
LY 112,1515,190,191 1515 193 180
MA 112 19,177 15,150 15,150
MC 112 17 15,18 18
MD 112 902 903 901
ME 112 122 124 123
MF 112 17 15 18
MG 112,117 117,17 124 118,18
MH 911 - - -
MK 112 192 194 193
ML 112 17,18 15 18
MM 112,999 199 192 191
MN 112,105,100 102 103 101
MO 999,112 - - -
MP 911 - - -
MQ 112 17 15 18
MR 112 117,17 101 118,18
MS 911 999 911 911
MT 112 - - -
MU 112 999,112 114 115,995
MV 112 119 102 118
MW 112 997,990 998 999,199
MX 911,066,080 060 065 068
MY 999,112 999 999 994
MZ 112,197 119 117 198
NA 112,10111 10111 - -
NC 112,16 17 15 18
NE 112 17 15 18,118
NF 000,112 977 955 -
NG 112,199,767 - - -
NI 911,120 118 128 115
NL 112 - - -
NO 112 112 113 110
NP 112 100,103 102 101
NR 110 110 111 112
NU 999 - - -
NZ 111,112 - - -
OM 9999,112,1444 - - -
PA 911 104 - 103
PE 911,112 105 106,117 116
PF 112 17 15 18
PG 112,000 112 111 110
PH 911,112 117 - -
PK 112,911 15 115,1122 16
PL 112 997 999 998
PM 112 17 15 18
PN 911 - - -
PR 911 - - -
PS 112 100 101 102
PT 112,115 - - 117
PW 911 - - -
PY 911,128 - - 132
QA 999,112 - - -
RE 112 17 15 18
RO 112 - - -
RS 112 192,92 194,94 193,93
RU 112 102,02 103,03 101,01
RW 112 112 912 111
SA 911,112 999,993 997 998
SB 911,999 999 911 988
SC 999,112 999 151 999
SD 112,999 999 333 998
SE 112,90000 - - -
SG 112,993 999 995 995
SH 911,999 999 911 999
SI 112 113 112 112
SJ 112 112 113 110
SK 112 158,159 155 150
SL 112 019,999 117,999 019,999
SM 112 113 118 115
SN 112 17 15 18
SO 112 888 999 555
SR 112 115 113 110
SS 112 777,999 - -
ST 112 113 112 112
SV 911 - 132 913
SX 911 911 912 919
SY 112 112 110 113
SZ 112 999 977 933
TA 999 - - -
TC 911,999 - - -
TD 112 17 2251 18
TF 112 17 15 18
TG 112,172,177 117,171 8200 118
TH 112 191 1669 199
TJ 112 102 103 101
TK 999 - - -
TL 112 112 110 115
TM 112 002,102,02 003,103,03 001,101,01
TN 112 197 190 198
TO 911 922 933 999
TR 112,158 155,156 112 110,177
TT 999,911 999 811 990
TV 911 - - -
TW 112,118 110 119 119
TZ 112,110,999 112,111 114,115 114
UA 112 102 103 101
UG 112,999 - - -
UM 911 - - -
US 911 - - -
UY 911,128 109 105 104
UZ 112,050 102,02,002 103,03,003 101,01,001
VA 112 113 118 115
VC 911,999 - - -
VE 911,171 - - -
VG 911,999 - - -
VI 911 - - -
VN 112 113 115 114
VU 112 111 112 113
WF 112 17 15 18
WS 911,999 995 996 994
XK 112 192 194 193
YE 112,195 194,199 191 191
YT 112 17 15 18
ZA 112,107 10111 10177 10177
ZM 112,999 991,999 992 993
ZW 112,999 995 994 993
";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, country: &str, expect: Option<Service>) {
        let found = service(&code.parse().unwrap(), country.parse().ok());
        assert_eq!(found, expect, "{code} in {country:?}");
    }

    #[test]
    fn countries_have_their_own_numbers() {
        check("110", "DE", Some(Service::Police));
        check("112", "DE", Some(Service::Any));
        check("999", "GB", Some(Service::Any));
        check("999", "DE", None);
        check("911", "US", Some(Service::Any));
        check("000", "AU", Some(Service::Any));
        check("119", "JP", Some(Service::Ambulance));
        check("15", "FR", Some(Service::Ambulance));
        check("18", "FR", Some(Service::Fire));
        check("10111", "ZA", Some(Service::Police));
        check("03", "RU", Some(Service::Ambulance));
        check("118", "JP", Some(Service::Any));
        check("90", "BZ", Some(Service::Ambulance));
        check("91", "ET", Some(Service::Police));
        check("933", "US", None);
        check("411", "US", None);
    }

    #[test]
    fn two_numbers_count_everywhere() {
        for country in ["JP", "NZ", "FR", "", "ZZ"] {
            check("112", country, Some(Service::Any));
            check("911", country, Some(Service::Any));
        }
    }

    #[test]
    fn a_whole_number_is_no_emergency() {
        let number = Dialed::Number("+4930110112".parse().unwrap());
        assert_eq!(service(&number, "DE".parse().ok()), None);
    }

    #[test]
    fn every_line_reads_and_names_a_number() {
        let mut last = "";
        for line in NUMBERS.lines() {
            let columns: Vec<&str> = line.split(' ').collect();
            let [country, numbers @ ..] = columns.as_slice() else { panic!("{line}") };
            assert!(country.parse::<Country>().is_ok() && *country > last, "{line}");
            assert_eq!(numbers.len(), 4, "{line}");
            let all: Vec<&str> = numbers.iter().flat_map(|list| list.split(',')).collect();
            assert!(all.iter().any(|number| *number != "-"), "{line}");
            for number in all.iter().filter(|number| **number != "-") {
                assert!(matches!(number.parse(), Ok(Dialed::Short(_))), "{line}");
            }
            last = country;
        }
    }

    #[test]
    fn every_country_with_a_calling_code_is_in_the_table() {
        for country in super::super::country::all() {
            assert!(NUMBERS.lines().any(|line| line.starts_with(country.as_str())), "{country}");
        }
    }
}
