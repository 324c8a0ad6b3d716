"""`crn study`: people compare pictures of systems, two at a time, and what can be concluded from their votes."""
