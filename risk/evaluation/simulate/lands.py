"""Countries with some of their cities and network operators: public facts, so that a made-up world hangs together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class City:
    """A city and the region it lies in; `weight` is its share of the country's people, roughly."""

    name: str
    region: str
    weight: float


@dataclass(frozen=True, slots=True)
class Land:
    """A country: its cities, and the numbers of its fixed and mobile network operators, the largest first."""

    code: str
    hours_from_utc: float
    cities: tuple[City, ...]
    fixed: tuple[int, ...]
    mobile: tuple[int, ...]


def _land(code: str, hours: float, cities: str, fixed: tuple[int, ...], mobile: tuple[int, ...]) -> Land:
    """`cities`: "Name/Region/weight" separated by semicolons."""
    parsed = tuple(
        City(name, region, float(weight)) for name, region, weight in (each.split("/") for each in cities.split(";"))
    )
    return Land(code, hours, parsed, fixed, mobile)


LANDS: tuple[Land, ...] = (
    _land(
        "TR",
        3,
        "Istanbul/Istanbul/15;Ankara/Ankara/6;Izmir/Izmir/4;Bursa/Bursa/3;Antalya/Antalya/2.5;Adana/Adana/2;"
        "Konya/Konya/2;Gaziantep/Gaziantep/2;Trabzon/Trabzon/0.8;Eskişehir/Eskişehir/0.9",
        (9121, 34984, 12735, 15924, 47331),
        (16135, 15897, 20978),
    ),
    _land(
        "DE",
        1,
        "Berlin/Berlin/3.6;Hamburg/Hamburg/1.8;Munich/Bavaria/1.5;Cologne/North Rhine-Westphalia/1.1;"
        "Frankfurt am Main/Hesse/0.8;Stuttgart/Baden-Württemberg/0.6;Leipzig/Saxony/0.6;Bremen/Bremen/0.5",
        (3320, 3209, 8881, 8422, 31334),
        (6805, 3320, 3209),
    ),
    _land(
        "GB",
        0,
        "London/England/9;Birmingham/England/1.1;Manchester/England/0.6;Leeds/England/0.5;Glasgow/Scotland/0.6;"
        "Edinburgh/Scotland/0.5;Cardiff/Wales/0.4;Belfast/Northern Ireland/0.3",
        (2856, 5089, 5607, 13285, 5378),
        (12576, 25135, 60339),
    ),
    _land(
        "FR",
        1,
        "Paris/Île-de-France/10;Lyon/Auvergne-Rhône-Alpes/1.7;Marseille/Provence-Alpes-Côte d'Azur/1.6;"
        "Toulouse/Occitanie/1;Bordeaux/Nouvelle-Aquitaine/0.9;Lille/Hauts-de-France/1;Nantes/Pays de la Loire/0.7",
        (3215, 12322, 15557, 5410),
        (3215, 51207, 15557, 5410),
    ),
    _land(
        "US",
        -6,
        "New York/New York/8;Los Angeles/California/4;Chicago/Illinois/2.7;Houston/Texas/2.3;Phoenix/Arizona/1.6;"
        "Philadelphia/Pennsylvania/1.6;San Diego/California/1.4;Dallas/Texas/1.3;Seattle/Washington/0.7;"
        "Denver/Colorado/0.7;Atlanta/Georgia/0.5;Miami/Florida/0.5",
        (7922, 20115, 7018, 701, 22773, 209),
        (21928, 6167, 20057),
    ),
    _land(
        "NL",
        1,
        "Amsterdam/North Holland/0.9;Rotterdam/South Holland/0.7;The Hague/South Holland/0.5;Utrecht/Utrecht/0.4;"
        "Eindhoven/North Brabant/0.2;Groningen/Groningen/0.2",
        (1136, 33915, 50266),
        (1136, 31615, 33915),
    ),
    _land(
        "NO",
        1,
        "Oslo/Oslo/0.7;Bergen/Vestland/0.3;Trondheim/Trøndelag/0.2;Stavanger/Rogaland/0.15;Tromsø/Troms/0.08",
        (29695, 2119, 41164, 25400),
        (2119, 2116, 41164),
    ),
    _land(
        "ES",
        1,
        "Madrid/Madrid/3.3;Barcelona/Catalonia/1.6;Valencia/Valencia/0.8;Seville/Andalusia/0.7;Zaragoza/Aragon/0.7;"
        "Málaga/Andalusia/0.6;Bilbao/Basque Country/0.3",
        (3352, 12479, 12430, 12715),
        (3352, 12430, 12479),
    ),
    _land(
        "IT",
        1,
        "Rome/Lazio/2.8;Milan/Lombardy/1.4;Naples/Campania/0.9;Turin/Piedmont/0.8;Palermo/Sicily/0.6;"
        "Bologna/Emilia-Romagna/0.4;Florence/Tuscany/0.4",
        (3269, 12874, 1267, 30722),
        (16232, 30722, 24608),
    ),
    _land(
        "PL",
        1,
        "Warsaw/Mazovia/1.8;Kraków/Lesser Poland/0.8;Łódź/Łódź Voivodeship/0.7;Wrocław/Lower Silesia/0.6;"
        "Poznań/Greater Poland/0.5;Gdańsk/Pomerania/0.5",
        (5617, 12741, 29314, 21021),
        (12912, 39603, 5617),
    ),
    _land(
        "RO",
        2,
        "Bucharest/București/1.8;Cluj-Napoca/Cluj/0.3;Timișoara/Timiș/0.3;Iași/Iași/0.3;Constanța/Constanța/0.3",
        (8708, 9050, 6830),
        (8953, 12302),
    ),
    _land(
        "BR",
        -3,
        "São Paulo/São Paulo/12;Rio de Janeiro/Rio de Janeiro/6.7;Brasília/Federal District/3;Salvador/Bahia/2.9;"
        "Fortaleza/Ceará/2.7;Belo Horizonte/Minas Gerais/2.5;Curitiba/Paraná/1.9;Recife/Pernambuco/1.6",
        (28573, 27699, 7738, 18881),
        (26615, 26599, 22085),
    ),
    _land(
        "IN",
        5.5,
        "Mumbai/Maharashtra/12;Delhi/Delhi/11;Bengaluru/Karnataka/8;Hyderabad/Telangana/7;Chennai/Tamil Nadu/5;"
        "Kolkata/West Bengal/4.5;Pune/Maharashtra/3;Jaipur/Rajasthan/3",
        (24560, 9829, 17488, 24309),
        (55836, 45609, 38266),
    ),
    _land(
        "RU",
        3,
        "Moscow/Moscow/12;Saint Petersburg/St.-Petersburg/5;Novosibirsk/Novosibirsk Oblast/1.6;"
        "Yekaterinburg/Sverdlovsk Oblast/1.5;Kazan/Tatarstan/1.3;Samara/Samara Oblast/1.1",
        (12389, 8402, 42610, 25513),
        (8359, 31133, 3216),
    ),
    _land(
        "UA",
        2,
        "Kyiv/Kyiv City/3;Kharkiv/Kharkiv/1.4;Odesa/Odesa/1;Dnipro/Dnipropetrovsk/1;Lviv/Lviv/0.7",
        (6849, 13188, 25229),
        (15895, 21497, 34058),
    ),
    _land(
        "NG",
        1,
        "Lagos/Lagos/15;Kano/Kano/4;Ibadan/Oyo/3.5;Abuja/FCT/3;Port Harcourt/Rivers/2",
        (37076, 29465),
        (29465, 36873, 37148),
    ),
    _land(
        "VN",
        7,
        "Ho Chi Minh City/Ho Chi Minh/9;Hanoi/Hanoi/8;Da Nang/Da Nang/1.2;Haiphong/Haiphong/2",
        (45899, 7552, 18403),
        (7552, 45899),
    ),
    _land(
        "ID",
        7,
        "Jakarta/Jakarta/10;Surabaya/East Java/2.9;Bandung/West Java/2.5;Medan/North Sumatra/2.4;"
        "Makassar/South Sulawesi/1.4",
        (7713, 23700, 17451),
        (23693, 4761, 24203),
    ),
    _land(
        "CN",
        8,
        "Shanghai/Shanghai/24;Beijing/Beijing/21;Guangzhou/Guangdong/15;Shenzhen/Guangdong/13;Chengdu/Sichuan/10;"
        "Hangzhou/Zhejiang/8",
        (4134, 4837, 4808),
        (9808, 56040),
    ),
    _land(
        "AE",
        4,
        "Dubai/Dubai/3.3;Abu Dhabi/Abu Dhabi/1.5;Sharjah/Sharjah/1.3",
        (5384, 15802),
        (5384, 15802),
    ),
)

# Networks that rent out machines: what VPN services, attackers and some companies leave through.
HOSTING: tuple[int, ...] = (14061, 16276, 24940, 9009, 60068, 212238, 63949, 20473, 16509, 60781, 51167, 62240)
# Companies' filtering proxies.
EGRESS: tuple[int, ...] = (22616, 13335, 53813)
