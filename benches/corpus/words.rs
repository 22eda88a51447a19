//! Identifiers: the worst case of whoever looks for rare fragments of codes, because everything looks like one.

use std::collections::BTreeSet;

use super::rng::Rng;

/// Words of programs and of everyday life. None is taken from the catalogue or from this program: what was tuned to those must
/// not look better here than elsewhere.
const STEMS: &str = "
    anchor angle apple arch arrow asset atlas atom attic autumn badge bake balance ball bamboo band bark barrel basin basket
    batch beacon beam bear beat bell bench bend berry blade blanket blend blink block bloom boat bolt bond bone boost boot
    border bottle bottom bounce bound bowl branch brass bread breeze brick bridge brief bright bring broad bronze brush
    bucket budget build bundle burst butter button cabin cable calm camel camera camp candle canvas capital carbon career
    carpet carriage carve castle catch cattle cedar ceiling center chain chair chalk chance change chapter charm chart chase
    chest chimney choice chord circle circuit citizen clamp clay clean clear cliff climb clock cloth cloud coach coast collar
    color column comet comfort compass concert cone copper coral cork corner cotton count couple course court cover craft
    crane crater cream creek crest crew crop cross crowd crown crystal cube culture curtain curve cushion custom cycle
    damp dance danger dawn deal debate decade deck deep degree delta dense depth desert design desk detail device diagram
    dialog diamond diesel digit dinner direct disk distance ditch dive dock dome door double dragon drain drama draw dream
    dress drift drill drink drive drop drum dust eager eagle earth east easy echo edge effort elbow elder electron element
    elevator emerald empire engine engage enjoy entire envelope epoch equal escape estate evening event evolve exact example
    exit expand expert fabric face factor factory fair falcon fall family fan farm fashion feather feature fence fiber
    fiction field figure filter final finger finish fish flag flame flash flat fleet flight float flood floor flow flower
    fluid flute focus fold follow forest fork fossil frame fresh friend frost fruit funnel future galaxy gallery game garden
    garlic gate gather gauge gear gentle giant ginger glass globe glove gold grace grade grain grand grape graph grass
    gravel gravity green grid grip ground group grove growth guard guest guide guitar habit half hammer handle harbor
    harvest hawk hazel heart heat heavy hedge height helmet herb hero hill hint hobby hollow honey hood hook horizon horn
    horse hotel hour house hover human humble hunger hunt ice icon image impact inch index inner insect island item ivory
    jacket jewel join journal journey judge juice jump jungle junior keen kernel kettle kidney kind kitchen kite knee knife
    knock knot label labor ladder lake lamp lane language lantern large laser latch launch laurel lava lawn layer leaf
    league leather leave lecture left legend lemon lens letter level lever library lift light lilac lime linen lion liquid
    listen lobby local loft logic long loop lotus loud lunar lunch lung machine magic magnet maple marble march margin
    marine market marsh mask mass matrix meadow measure medal medium melody melt member memory mercury mesh metal meter
    middle midnight mild milk mill mind minute mirror mist mixture mobile model modest moment monitor moon morning mosaic
    motion motor mountain mouse mouth muscle museum music narrow nation native nature needle nest neuron night noble noise
    north notch novel nylon oak oasis object ocean octave olive onion open opera orange orbit orchard organ orient origin
    osprey outer oval oven owl oxygen oyster paddle page palace palm panel panther paper parade parent park parrot path
    patrol pattern peak pearl pebble pencil people pepper petal phase phone photo piano picnic pillar pilot pine pioneer
    pipe pistol pitch pixel place plain planet plant plate plaza plot plow plum pocket poem point polar polish pond pony
    port portrait post potato powder power prairie press pride prime print prism profile project proof prune pulse pump
    pupil purple puzzle pyramid quartz queen quest quick quiet quill rabbit radar radio rain ranch range rapid raven reach
    reason recipe record reef reflect region relay remedy render report rescue reserve rhythm ribbon rice ride ridge
    ring ripple rise river road robin rocket roof room root rope rose rotor rough round route royal ruby rubber rudder rug
    runway saddle safe sail salad salmon salt sample sand satin sauce scale scarf scene school science scout screen script
    scroll sculpture season seat second secret seed segment senior sense shade shadow shape shelf shell shelter shield shift
    shine ship shore short shoulder shrimp side signal silent silk silver simple singer sketch skill slate sleep slice slide
    slope slow small smart smoke smooth snow soap social sock soft soil solar solid sonic sound source south space spark
    spear spider spin spiral spirit splash spoon sport spot spray spring square stable stack stadium stage stair stamp star
    start statue steam steel stem step stick stone store storm story stove straw stream street stretch string stripe strong
    studio style sugar summer summit sun surface swan sweet swift swing switch symbol syrup table tackle tailor talent tank
    tape target teach temple tender tennis tent theater theme thick thread thunder ticket tide tiger timber tiny toast tone
    tooth topic torch tower town track trail train travel tree trend tribe trick trophy truck trumpet trunk tulip tunnel
    turbine turtle twin twist uncle union unit upper urban valley value vapor vault velvet vessel view village vine violet
    violin visit vivid voice volcano volume voyage wagon walnut water wave wealth weather wedge whale wheat wheel whisper
    wide willow wind window wing winter wire wisdom wolf wonder wood wool world wrist yard yellow young zebra zenith zone
";

/// What turns one word into more.
const ENDINGS: [&str; 4] = ["", "s", "ing", "er"];

/// Too many for a branch predictor to learn.
const N_IDENTIFIERS: usize = 100_000;

/// Identifiers of words that no model of this program has seen.
pub fn unseen() -> Vec<String> {
    let words = STEMS.split_whitespace().flat_map(|stem| ENDINGS.map(|ending| format!("{stem}{ending}")));
    let words: BTreeSet<_> = words.collect();
    identifiers(&words, |_| true)
}

/// Identifiers of two to four words, in capitals or not, as far as `accept` takes them.
pub fn identifiers(words: &BTreeSet<String>, accept: impl Fn(&str) -> bool) -> Vec<String> {
    let mut rng = Rng::new(7);
    let words: Vec<&String> = words.iter().collect();
    let identifier = |_| {
        let parts: Vec<&str> =
            (0..2 + rng.below(3)).map(|_| words[rng.below(words.len() as u64) as usize].as_str()).collect();
        let name = parts.join("_");
        if rng.below(2) == 0 { name.to_ascii_uppercase() } else { name }
    };
    (0..N_IDENTIFIERS).map(identifier).filter(|name| accept(name)).collect()
}

/// A line of about twelve identifiers.
pub fn line(identifiers: &[String], rng: &mut Rng, out: &mut String) {
    for n in 0..8 + rng.below(8) {
        if n > 0 {
            out.push(' ');
        }
        out.push_str(&identifiers[rng.below(identifiers.len() as u64) as usize]);
    }
}
