-- Check what the service's constraints would check at the commit only, when nobody could tell whose fault it is.
SET CONSTRAINTS ALL IMMEDIATE
