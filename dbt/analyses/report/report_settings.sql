select {{ literal(var("reporting_timezone")) }} as reporting_timezone
